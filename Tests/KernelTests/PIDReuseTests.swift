import CLibBPF
import Foundation
import KernelABI
import Testing
import Workloads

@testable import Kernel

extension KernelSessionTests {
    /// A process that has the very number a managed one had; clone3(2) with `set_tid` makes it.
    @Suite(.serialized) struct PIDReuseTests {
        private let agent = Selector(userIDs: [0], commandLines: [["python3", "agent.py"]])

        @Test func `a process with the number of a managed one that ended inherits nothing`() throws {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("agent.py", userID: 0)
                let key = try #require(try room.dial(workload).flow?.process)
                let maker = try room.startWitness(userID: 0)
                workload.stop()

                #expect(try maker.run("reborn \(key.pid)") == "reborn \(key.pid)")
                #expect(try room.identity(maker) == .none)
                let facts = try #require(room.kernel.facts(of: key.pid))
                #expect(facts.key != key)
                #expect(facts.name == "witness")
            }
        }

        @Test func `the number in use is not given out twice`() throws {
            try Room.with { room in
                let workload = try room.start("agent.py", userID: 0)
                #expect(try room.startWitness(userID: 0).run("reborn \(workload.pid)") == "error EEXIST")
            }
        }

        @Test func `a process with a used number is identified by what it executes itself`() throws {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("agent.py", userID: 0)
                let old = try #require(try room.dial(workload).flow?.process)
                let maker = try room.startWitness(userID: 0)
                workload.stop()

                #expect(try maker.run("reborn \(old.pid)") == "reborn \(old.pid)")
                try maker.become("become /usr/bin/python3 python3 agent.py")
                let new = try #require(try room.dial(maker).flow)
                #expect(new.identity == Room.identity)
                #expect(new.process.pid == old.pid)
                #expect(new.process.startTime > old.startTime)
            }
        }

        /// Nothing tells the kernel part of the maker, so nothing could overwrite what is left of the old process.
        @Test func `a process of unknown origin with a used number inherits nothing`() throws {
            try Room.with { room in
                try room.install(agent)
                let maker = try room.startWitness(userID: 0)
                try room.forget(maker)
                let workload = try room.start("agent.py", userID: 0)
                let key = try #require(try room.dial(workload).flow?.process)
                let processes = try room.pinned("processes")
                defer { close(processes) }
                var number = UInt32(bitPattern: key.pid), left = process_facts()
                try #require(bpf_map_lookup_elem(processes, &number, &left) == 0)
                workload.stop()
                #expect(try maker.run("reborn \(key.pid)") == "reborn \(key.pid)")
                // As if its end had not been seen either.
                try #require(bpf_map_update_elem(processes, &number, &left, 0) == 0)
                // What is not known could be managed: closed where managed workloads listen.
                #expect(try room.dial(maker) == .failed("error EPERM"))
                #expect(room.kernel.facts(of: key.pid) == nil)
            }
        }

        @Test func `a listener of a process that ended is nobody's, also for its successor by number`() throws {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("agent.py", userID: 0)
                #expect(try workload.run("listen 0.0.0.0 9000") == "listening")
                let maker = try room.startWitness(userID: 0)
                let old = room.kernel.listeners().map(\.process.pid)
                #expect(old == [workload.pid])
                workload.stop()
                #expect(try maker.run("reborn \(workload.pid)") == "reborn \(workload.pid)")
                #expect(room.kernel.listeners() == [])
            }
        }
    }
}
