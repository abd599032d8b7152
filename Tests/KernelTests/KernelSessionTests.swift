import Foundation
import Testing
import Workloads

@testable import Kernel

/// The real object on the real kernel, with real processes. Serial: each test moves the test process about.
@Suite(.serialized) struct KernelSessionTests {
    private let agent = Selector(userIDs: [1001], names: ["python3"], commandLines: [["python3", "agent.py"]])

    @Test func `a process that matches uid, name and command line is redirected and named`() throws {
        try Room.with { room in
            try room.install(agent)
            let workload = try room.start("agent.py")
            guard case .redirected(let flow?, let peer) = try room.dial(workload) else {
                Issue.record("not redirected, or without a flow")
                return
            }
            #expect(flow.process == room.kernel.facts(of: workload.pid)?.key)
            #expect(flow.process.pid == workload.pid)
            #expect(flow.identity == Room.identity)
            #expect(try flow.destination == InternetEndpoint("\(Room.managedIPv4) \(Room.managedPort)"))
            #expect(peer == "\(Room.managedIPv4)|\(Room.managedPort)")
        }
    }

    @Test(arguments: [("other.py", UInt32(1001)), ("agent.pyx", 1001), ("agent.py", 1002)])
    func `another script, a longer word or another uid is not redirected`(_ script: String, _ userID: UInt32) throws {
        try Room.with { room in
            try room.install(agent)
            #expect(try room.dial(room.start(script, userID: userID)) == .direct)
        }
    }

    @Test func `further words after the command line do not matter`() throws {
        try Room.with { room in
            try room.install(Selector(commandLines: [["python3"]]))
            #expect(try room.dial(room.start("agent.py")).isRedirected)
        }
    }

    @Test func `the first slot that matches wins`() throws {
        try Room.with { room in
            let second = IdentityHandle(rawValue: 9)
            let program = SelectorProgram(
                slots: [
                    .init(selector: Selector(names: ["nobody"]), workloadID: "first"),
                    .init(selector: Selector(userIDs: [1001]), workloadID: "second"),
                    .init(selector: agent, workloadID: "first"),
                ],
            )
            try room.kernel.install(program, handles: ["first": Room.identity, "second": second])
            #expect(try room.dial(room.start("agent.py")).flow?.identity == second)
        }
    }

    @Test func `a longer command line does not hide a shorter one, down to the last slot`() throws {
        try Room.with { room in
            let other = Selector(userIDs: [1002], commandLines: [["python3", "agent.py"]])
            var slots = Array(repeating: SelectorProgram.Slot(selector: other, workloadID: "other"), count: 4095)
            slots.append(.init(selector: Selector(commandLines: [["python3"]]), workloadID: "any"))
            let handles: [WorkloadName: IdentityHandle] = ["other": .init(rawValue: 9), "any": Room.identity]
            try room.kernel.install(SelectorProgram(slots: slots), handles: handles)
            #expect(try room.dial(room.start("agent.py")).flow?.identity == Room.identity)
        }
    }

    @Test func `a process that rewrites its argv and its name gains nothing`() throws {
        try Room.with { room in
            try room.install(agent)
            let workload = try room.start("other-long-enough.py")
            #expect(try workload.run("pretend python3 agent.py") == "python3 agent.py")
            #expect(try room.dial(workload) == .direct)
            #expect(room.kernel.facts(of: workload.pid)?.arguments == ["python3", "other-long-enough.py"])
        }
    }

    @Test func `a process that renames itself keeps its identity`() throws {
        try Room.with { room in
            try room.install(agent)
            let workload = try room.start("agent.py")
            _ = try workload.run("pretend other")
            #expect(try room.dial(workload).isRedirected)
        }
    }

    @Test func `setuid after exec changes the decision`() throws {
        try Room.with { room in
            try room.install(agent)
            let workload = try room.start("agent.py", userID: 0)
            #expect(try room.dial(workload) == .direct)
            #expect(try workload.run("setuid 1001") == "done")
            #expect(try room.dial(workload).isRedirected)
            #expect(room.kernel.facts(of: workload.pid)?.userID == 1001)
        }
    }

    @Test func `a forked child is what its parent is, and itself`() throws {
        try Room.with { room in
            try room.install(agent)
            let workload = try room.start("agent.py")
            let flow = try room.dial(workload, "fork \(Room.managedIPv4) \(Room.managedPort)").flow
            #expect(flow?.identity == Room.identity)
            #expect(flow?.process.pid != workload.pid)
        }
    }

    @Test(arguments: [
        "connect \(Room.managedIPv6) \(Room.managedPort) 6",
        "connect ::ffff:\(Room.managedIPv4) \(Room.managedPort) 6",
    ])
    func `IPv6 and IPv4-mapped destinations are redirected`(_ command: String) throws {
        try Room.with { room in
            try room.install(agent)
            let words = command.split(separator: " ").map(String.init)
            guard case .redirected(let flow, let peer) = try room.dial(room.start("agent.py"), command) else {
                Issue.record("not redirected")
                return
            }
            #expect(flow?.destination == (try InternetEndpoint("\(words[1]) \(words[2])")))
            #expect(peer == "\(words[1])|\(words[2])")
        }
    }

    @Test func `a Multipath TCP socket is redirected as well`() throws {
        try Room.with { room in
            try room.install(agent)
            let command = "connect \(Room.managedIPv4) \(Room.managedPort) mptcp"
            let arrival = try room.dial(room.start("agent.py"), command)
            if FileManager.default.fileExists(atPath: "/proc/sys/net/mptcp/enabled") {
                #expect(arrival.flow?.identity == Room.identity)
            } else {
                #expect(arrival == .failed("error EPROTONOSUPPORT"))
            }
        }
    }

    @Test func `live connections of an identity are cut`() throws {
        try Room.with { room in
            try room.install(agent)
            try room.kernel.setDestinations([])
            let workload = try room.start("agent.py"), other = try room.start("other.py")
            let kept = [try room.connect(workload), try room.connect(other)]
            #expect(try room.kernel.destroySockets { $0.identity == IdentityHandle(rawValue: 8) } == 0)
            #expect(try room.kernel.destroySockets { $0.identity == Room.identity } == 1)
            kept[1].send("still here")
            #expect(try workload.run("receive") == "error ECONNABORTED")
            #expect(try other.run("receive") == "still here")
        }
    }

    @Test func `a destination that is not managed is dialled directly`() throws {
        try Room.with { room in
            try room.install(agent)
            try room.kernel.setDestinations([])
            #expect(try room.dial(room.start("agent.py")) == .direct)
        }
    }

    @Test(arguments: ["127.0.0.1", "127.0.0.9", "0.0.0.0"], [UInt32(1001), 1002])
    func `nobody dials the proxy's port directly`(_ address: String, _ userID: UInt32) throws {
        try Room.with { room in
            try room.install(agent)
            let workload = try room.start("agent.py", userID: userID)
            #expect(try room.dial(workload, "connect \(address) \(Room.outboundPort)") == .failed("error EPERM"))
            #expect(room.kernel.statistics().refusals == 1)
        }
    }

    @Test func `a source port used before lends nobody an identity`() throws {
        try Room.with { room in
            try room.install(agent)
            let workload = try room.start("agent.py")
            room.stopProxy()
            let bound = "connect \(Room.managedIPv4) \(Room.managedPort) 4 40001"
            #expect(try room.dial(workload, bound) == .failed("error ECONNREFUSED"))

            try room.startProxy()
            let outsider = try room.start("agent.py")
            try room.admit(outsider, to: room.outer)
            let direct = "connect 127.0.0.1 \(Room.outboundPort) 4 40001"
            #expect(try room.dial(outsider, direct) == .redirected(nil, peer: "127.0.0.1|\(Room.outboundPort)"))
            #expect(try room.dial(workload).flow?.identity == Room.identity)
        }
    }

    @Test func `a proxy that is gone leaves connections refused, and nobody can take its place`() throws {
        try Room.with { room in
            try room.install(agent)
            let workload = try room.start("agent.py")
            let usurper = try room.start("usurper.py")
            room.stopProxy()
            #expect(try usurper.run("listen 127.0.0.1 \(Room.outboundPort)") == "listening")
            try usurper.send("accept 3")
            #expect(try room.dial(workload) == .failed("error ECONNREFUSED"))
            #expect(try usurper.answer() == "error TIMEOUT")
        }
    }

    @Test func `a new policy takes effect for a process that runs`() throws {
        try Room.with { room in
            let workload = try room.start("agent.py")
            #expect(try room.dial(workload) == .direct)
            for _ in 1...3 {
                try room.install(agent)
                #expect(try room.dial(workload).isRedirected)
                try room.install(Selector(userIDs: [1002]))
                // It takes itself for protected still.
                #expect(try room.dial(workload) == .failed("error EPERM"))
            }
        }
    }

    @Test func `a policy that cannot be installed leaves the one in force`() throws {
        try Room.with { room in
            try room.install(agent)
            let slots = Array(repeating: SelectorProgram.Slot(selector: agent, workloadID: "x"), count: 4097)
            #expect(throws: KernelError.tooManySelectors(count: 4097, maximum: 4096)) {
                try room.kernel.install(SelectorProgram(slots: slots), handles: ["x": Room.identity])
            }
            #expect(throws: KernelError.noHandle(workloadID: "x")) {
                try room.kernel.install(SelectorProgram(slots: [slots[0]]), handles: [:])
            }
            #expect(try room.dial(room.start("agent.py")).isRedirected)
        }
    }

    @Test func `a managed process in another network namespace neither dials nor listens`() throws {
        try Room.with { room in
            try room.install(Selector(userIDs: [0], commandLines: [["python3", "agent.py"]]))
            let workload = try room.start("agent.py", userID: 0)
            #expect(try workload.run("unshare") == "0")
            #expect(try room.dial(workload) == .failed("error EHOSTUNREACH"))
            #expect(try workload.run("listen 127.0.0.1 9000") == "error EPERM")
            #expect(room.kernel.listeners() == [])
        }
    }

    @Test func `a second session adopts maps and links`() throws {
        try Room.with(ownObject: true) { room in
            try room.install(agent)
            try room.kernel.storeCredentials([1, 2, 3])
            let workload = try room.start("agent.py")
            let before = try room.pinnedLinks()
            // These cannot be changed in place: a new one is attached before the old one goes.
            let tracepoints =
                ["process_executed", "process_forked", "process_exited", "cgroup_removed", "socket_changed"]
                + LSMGuard.programs
            #expect(before.keys.contains { $0.hasPrefix("steer-") })

            let second = try KernelSession.open(room.configuration)
            #expect(!room.kernel.adopted)
            #expect(second.adopted)
            #expect(
                try room.pinnedLinks().filter { !tracepoints.contains($0.key) }
                    == before.filter { !tracepoints.contains($0.key) })
            #expect(second.loadCredentials() == [1, 2, 3])
            #expect(second.facts(of: workload.pid)?.arguments == ["python3", "agent.py"])
            #expect(try room.dial(workload).flow?.identity == Room.identity)
            #expect(try room.dial(room.start("agent.py")).flow?.identity == Room.identity)
        }
    }

    @Test func `credentials of any length up to the limit are kept`() throws {
        try Room.with { room in
            #expect(room.kernel.loadCredentials() == nil)
            for length in [1, 8191, 8192] {
                let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0) }
                try room.kernel.storeCredentials(bytes)
                #expect(room.kernel.loadCredentials() == bytes)
            }
            #expect(throws: KernelError.credentialsTooLong(bytes: 8193, maximum: 8192)) {
                try room.kernel.storeCredentials(Array(repeating: 0, count: 8193))
            }
            try room.kernel.storeCredentials([])
            #expect(room.kernel.loadCredentials() == nil)
        }
    }

    @Test func `the facts of a process are those of its exec`() throws {
        try Room.with { room in
            let workload = try room.start("agent.py")
            let facts = try #require(room.kernel.facts(of: workload.pid))
            #expect(facts.name == "python3")
            #expect(facts.arguments == ["python3", "agent.py"])
            #expect(!facts.argumentsTruncated)
            #expect(facts.executable.path == URL(filePath: "/usr/bin/python3").resolvingSymlinksInPath().path())
            #expect(facts.userID == 1001)
            #expect(facts.parentPID == getpid())
            #expect(room.kernel.isInScope(pid: workload.pid))
            #expect(!room.kernel.isInScope(pid: 1))
            #expect(room.kernel.facts(of: getpid())?.predatesAgent == true)
            #expect(!facts.predatesAgent)
        }
    }

    @Test func `pins of another version are named as such, and nothing is changed`() throws {
        try Room.with(ownObject: true) { room in
            try room.install(agent)
            let pins = room.configuration.pinDirectory
            #expect(rename(pins + "/destinations", pins + "/kept") == 0)
            #expect(rename(pins + "/listeners", pins + "/destinations") == 0)
            #expect {
                try KernelSession.open(room.configuration)
            } throws: { error in
                if case .incompatiblePins(pins, _) = error as? KernelError { true } else { false }
            }
            #expect(try room.dial(room.start("agent.py")).isRedirected)
        }
    }

    @Test func `a configuration that cannot work says why`() throws {
        try Room.with { room in
            var configuration = room.configuration
            configuration.cgroupPath = "/proc"
            #expect(throws: KernelError.notCgroupV2(path: "/proc")) { try KernelSession.open(configuration) }

            configuration = room.configuration
            configuration.pinDirectory = "/tmp/tidemark"
            #expect(throws: KernelError.notBPFFileSystem(path: "/tmp/tidemark")) {
                try KernelSession.open(configuration)
            }

            configuration = room.configuration
            configuration.cgroupPath += "/elsewhere"
            #expect(mkdir(configuration.cgroupPath, 0o755) == 0)
            defer { rmdir(configuration.cgroupPath) }
            let own = "/" + URL(filePath: room.configuration.cgroupPath).lastPathComponent
            #expect(throws: KernelError.outsideCgroup(own: own, configured: own + "/elsewhere")) {
                try KernelSession.open(configuration)
            }
        }
    }
}
