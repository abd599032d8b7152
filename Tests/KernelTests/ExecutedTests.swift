import Foundation
import Testing
import Workloads

@testable import Kernel

extension KernelSessionTests {
    /// What is told when a process executes something: only of those that opened connections as somebody.
    @Suite(.serialized) struct ExecutedTests {
        private let agent = Selector(userIDs: [1001], commandLines: [["python3", "agent.py"]])
        private let destination = "\(Room.managedIPv4) \(Room.managedPort)"

        @Test func `exec is told of those that opened something as somebody, and of nobody else`() async throws {
            var told: AsyncStream<KernelEvent>?
            var expected: [KernelEvent] = []
            try Room.with { room in
                try room.install(agent)
                _ = try Witness.install(as: "witness", in: room.folder)
                for (script, command) in [
                    ("agent.py", "make"), ("agent.py", "child connect \(destination)"),
                    ("nobody.py", "connect \(destination)"),
                ] {
                    let workload = try room.start(script)
                    if command != "make" { _ = try room.dial(workload, command) }
                    try workload.become("become ./witness ./witness")
                }
                let through = try room.start("agent.py")
                #expect(try room.dial(through).isRedirected)
                // Its child opened nothing.
                _ = try room.dial(through, "spawn 'connect \(destination)' ./witness")
                let around = try room.start("agent.py")
                #expect(try room.dial(around, "connect \(Room.managedIPv4) \(Room.unmanagedPort)") == .direct)
                for (workload, how) in [(through, KernelConnections.throughProxy), (around, .direct)] {
                    let key = try #require(room.kernel.facts(of: workload.pid)?.key)
                    #expect(room.kernel.connected()[key] == how)
                    // Whatever it executes next holds them as well.
                    for _ in 0..<2 {
                        try workload.become("become ./witness ./witness")
                        expected.append(.executed(key, having: how))
                    }
                    #expect(room.kernel.connected()[key] == how)
                }
                #expect(room.kernel.connected().count == 2)
                told = room.kernel.events
            }
            var seen: [KernelEvent] = []
            for await event in try #require(told) {
                seen.append(event)
                if seen.count == expected.count { break }
            }
            #expect(seen == expected)
        }

        @Test func `who is out of scope is told of when it comes into it, and not before`() async throws {
            var told: AsyncStream<KernelEvent>?
            var expected: [KernelEvent] = []
            try Room.with { room in
                let outsider = try room.outsider()
                let scope = try Cgroup(path: room.configuration.cgroupPath)
                let key = try #require(room.kernel.facts(of: outsider.pid)?.key)
                try workloadProgram.write(
                    to: room.folder.appending(path: "agent.py"), atomically: true, encoding: .utf8)
                try room.install(agent)
                try outsider.become("become /usr/bin/python3 python3 agent.py")
                #expect(room.kernel.identified()[key] == nil)
                // Nor is it asked who it is.
                try room.install(
                    Selector(conditions: [.binaryHash: Condition(anyOf: [.text(String(repeating: "0", count: 64))])]))
                try outsider.become("become /usr/bin/python3 python3 agent.py")
                let insider = try room.start("agent.py")
                expected = [.undecided(try #require(room.kernel.facts(of: insider.pid)?.key))]
                try room.install(agent)
                try room.admit(outsider, to: scope)
                #expect(try room.identity(outsider) == Room.identity)
                #expect(room.kernel.identified()[key] == Room.identity)
                told = room.kernel.events
            }
            for await event in try #require(told) {

                if case .undecided(let process) = event {
                    #expect(expected.contains(.undecided(process)))
                    break
                }
            }
        }

        @Test func `a flow says which image opened it, and by which policy`() throws {
            try Room.with { room in
                let first = try room.install(agent)
                let workload = try room.start("agent.py")
                let before = try #require(try room.dial(workload).flow)
                #expect(before.generation == first)
                let second = try room.install(agent)
                let after = try #require(try room.dial(workload).flow)
                #expect(after.generation == second && first != second)
                #expect(room.kernel.isRunning(before.image))
                try workload.become("become /usr/bin/python3 python3 agent.py")
                #expect(!room.kernel.isRunning(before.image) && room.kernel.exists(before.process))
                workload.stop()
                #expect(!room.kernel.exists(before.process))
            }
        }
    }
}
