import Foundation
import Testing
import Workloads

@testable import Kernel

extension KernelSessionTests {
    /// What a process gains, and does not, by taking hold of another.
    @Suite(.serialized) struct TracingTests {
        private let agent = Selector(userIDs: [1001], commandLines: [["python3", "agent.py"]])

        @Test func `under a tracer a process stays who it is, and so does the tracer`() throws {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("agent.py"), tracer = try room.start("other.py")
                #expect(try workload.run("allow_tracing") == "allowed")
                guard try room.lets(tracer, "trace \(workload.pid)", "traced") else { return }
                let flow = try #require(try room.dial(workload).flow)
                #expect(flow.identity == Room.identity)
                #expect(flow.process.pid == workload.pid)
                #expect(try room.identity(tracer) == .none)
            }
        }

        @Test func `a managed tracer lends its tracee nothing`() throws {
            try Room.with { room in
                try room.install(agent)
                let tracer = try room.start("agent.py"), tracee = try room.start("other.py")
                #expect(try tracee.run("allow_tracing") == "allowed")
                #expect(try tracer.run("trace \(tracee.pid)") == "traced")
                #expect(try room.identity(tracee) == .none)
                #expect(try room.identity(tracer) == Room.identity)
            }
        }

        /// Not defended without BPF LSM, and this is how it looks: the connection was opened by its rightful owner.
        @Test func `a tracer of the same uid can take a managed connection, which stays its owner's`() throws {
            try Room.with { room in
                try room.install(agent)
                try room.kernel.setDestinations([])
                let workload = try room.start("agent.py"), thief = try room.start("other.py")
                #expect(try workload.run("allow_tracing") == "allowed")
                let far = try room.connect(workload)
                let descriptor = try workload.run("descriptor")
                guard try room.lets(thief, "steal \(workload.pid) \(descriptor)", "held") else { return }
                far.send("for the owner")
                #expect(try thief.run("receive") == "for the owner")
                // Cut off with its identity all the same.
                #expect(try room.kernel.destroySockets { $0.identity == Room.identity } == 1)
                #expect(try thief.run("receive") == "error ECONNABORTED")
            }
        }

        @Test func `a socket taken before it connects belongs to whoever connects it`() throws {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("agent.py"), thief = try room.start("other.py")
                #expect(try workload.run("allow_tracing") == "allowed")
                #expect(try workload.run("make").hasPrefix("made"))
                let descriptor = try workload.run("descriptor")
                guard try room.lets(thief, "steal \(workload.pid) \(descriptor)", "held") else { return }
                #expect(try room.identity(thief, "dial \(Room.managedIPv4) \(Room.managedPort)") == .none)
            }
        }

        @Test func `a process of another uid can neither trace a workload nor take its sockets`() throws {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("agent.py"), other = try room.start("other.py", userID: 1002)
                #expect(try workload.run("allow_tracing") == "allowed")
                #expect(try workload.run("make").hasPrefix("made"))
                let descriptor = try workload.run("descriptor")
                #expect(try other.run("trace \(workload.pid)") == "error EPERM")
                #expect(try other.run("steal \(workload.pid) \(descriptor)") == "error EPERM")
            }
        }

        @Test func `a traced process gains nothing by a setuid binary`() throws {
            try Room.with { room in
                try room.install(Selector(userIDs: [1001]))
                let path = try room.installSetuidWitness(owner: 1001)
                let tracee = try room.start("tracee.py", userID: 1002)
                let tracer = try room.start("tracer.py", userID: 1002)
                #expect(try tracee.run("allow_tracing") == "allowed")
                #expect(try tracer.run("trace \(tracee.pid)") == "traced")
                try tracee.become("become \(path) \(path)")
                #expect(room.kernel.facts(of: tracee.pid)?.userID == 1002)
                #expect(try room.identity(tracee) == .none)
            }
        }
    }
}
