import Foundation
import Testing
import Workloads

@testable import Kernel

extension KernelSessionTests {
    /// The extra of kernels with BPF LSM. On a kernel without it the same tests hold it to do nothing, and to say why.
    @Suite(.serialized) struct LSMGuardTests {
        private let agent = Selector(userIDs: [1001], commandLines: [["python3", "agent.py"]])

        @Test func `the guard is attached, or the kernel's refusal is told`() throws {
            try Room.with { room in
                let pins = try room.pinnedLinks().keys.filter(LSMGuard.programs.contains)
                switch room.kernel.lsmGuard {
                case .attached: #expect(pins.count == LSMGuard.programs.count)
                case .unavailable(let reason):
                    #expect(pins.isEmpty)
                    #expect(reason.contains("errno"))
                }
            }
        }

        @Test func `another process of the same user does not trace a managed one`() throws {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("agent.py"), tracer = try room.start("tracer.py")
                #expect(try workload.run("allow_tracing") == "allowed")
                #expect(try room.lets(tracer, "trace \(workload.pid)", "traced") == !room.isGuarded)
                #expect(room.kernel.statistics().refusals == (room.isGuarded ? 1 : 0))
            }
        }

        @Test func `an unmanaged process is traced as before, and root traces anybody`() throws {
            try Room.with { room in
                try room.install(agent)
                let other = try room.start("other.py"), tracer = try room.start("tracer.py")
                #expect(try other.run("allow_tracing") == "allowed")
                #expect(try tracer.run("trace \(other.pid)") == "traced")
                let workload = try room.start("agent.py"), root = try room.start("root.py", userID: 0)
                #expect(try root.run("trace \(workload.pid)") == "traced")
            }
        }

        @Test func `a managed process that changes its user says so`() async throws {
            var told: AsyncStream<KernelEvent>?
            var expected: [KernelEvent] = []
            try Room.with { room in
                try room.install(Selector(commandLines: [["python3", "agent.py"]]))
                let workload = try room.start("agent.py", userID: 0)
                let key = try #require(room.kernel.facts(of: workload.pid)?.key)
                _ = try workload.run("setuid 1001")
                _ = try workload.run("listen 127.0.0.1 9000")
                expected = []
                if room.isGuarded { expected.append(.credentialsChanged(key)) }
                expected.append(
                    .listenerOpened(try InternetEndpoint("127.0.0.1 9000"), process: key, identity: Room.identity))
                told = room.kernel.events
            }
            var seen: [KernelEvent] = []
            for await event in try #require(told) {
                seen.append(event)
                if seen.count == expected.count { break }
            }
            #expect(seen == expected)
        }
    }
}

extension Room {
    var isGuarded: Bool { kernel.lsmGuard == .attached }

    /// Whether the kernel lets a process lay hands on a managed one: exactly where it has no guard.
    ///
    /// - Parameter answer: the command's where it is let.
    func lets(_ process: Workload, _ command: String, _ answer: String) throws -> Bool {
        #expect(try process.run(command) == (isGuarded ? "error EPERM" : answer))
        return !isGuarded
    }
}
