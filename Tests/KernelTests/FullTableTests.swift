import CLibBPF
import Foundation
import KernelABI
import Testing
import Workloads

@testable import Kernel

extension KernelSessionTests {
    /// Without room nobody gains anything: what cannot be remembered is refused, and counted.
    @Suite(.serialized) struct FullTableTests {
        private let agent = Selector(userIDs: [1001])
        private let place = "10.99.0.1 9000"

        @Test func `a process that finds no room is unknown: refused where managed workloads listen, and told of`()
            async throws
        {
            var told: AsyncStream<KernelNotice>?
            var pid: Int32 = 0
            try Room.with(ownObject: true) { room in
                try room.install(agent)
                let known = try room.start("agent.py"), filled = try room.fillProcesses()
                let unknown = try room.startUnknown(filled)
                pid = unknown.pid
                #expect(room.kernel.statistics().processesLost > 0)
                #expect(try room.dial(unknown) == .failed("error EPERM"))
                let elsewhere = "connect \(Room.managedIPv4) \(Room.unmanagedPort)"
                #expect(try room.dial(unknown, elsewhere) == .direct)
                told = room.kernel.notices

                // Who was there before stays who it is, also under another program.
                #expect(try room.identity(known) == Room.identity)
                try known.become("become /usr/bin/python3 python3 agent.py")
                #expect(try room.identity(known) == Room.identity)

                try filled.empty()
                #expect(try room.identity(room.start("agent.py")) == Room.identity)
                try unknown.become("become /usr/bin/python3 python3 agent.py")
                #expect(try room.identity(unknown) == Room.identity)
            }
            var reason: KernelRefusal.Reason?
            for await case .refused(let refusal) in try #require(told) where refusal.process.pid == pid {
                reason = refusal.reason
                break
            }
            #expect(reason == .processUnknown)
        }

        @Test func `nobody reaches the listener of a process that is unknown`() throws {
            try Room.with(ownObject: true) { room in
                try room.install(agent)
                let filled = try room.fillProcesses(), unknown = try room.startUnknown(filled)
                #expect(try unknown.run("listen 0.0.0.0 9000") == "listening")
                #expect(room.kernel.listeners().map(\.identity) == [.unknown])
                #expect(throws: POSIXError(.ECONNREFUSED)) { try room.connect(to: place) }
            }
        }

        @Test func `where no policy is in force a process that finds no room is nobody's matter`() throws {
            try Room.with(ownObject: true) { room in
                let filled = try room.fillProcesses(), unknown = try room.startUnknown(filled)
                #expect(try room.dial(unknown) == .direct)
            }
        }

        @Test func `nobody reaches a managed listener that finds no room, and an unmanaged one is reached as ever`()
            throws
        {
            try Room.with(ownObject: true) { room in
                try room.install(agent)
                let filled = try room.fillListeners()
                let workload = try room.start("server.py"), other = try room.start("other.py", userID: 1002)
                #expect(try workload.run("listen 0.0.0.0 9000") == "listening")
                #expect(room.kernel.statistics().listenersLost == 1)
                #expect(try !room.reaches(workload, at: place))

                #expect(try other.run("listen 0.0.0.0 9001") == "listening")
                try other.send("accept")
                #expect(try room.connect(to: "10.99.0.1 9001").receive() == "application")
                #expect(try other.answer().hasPrefix("10.99.0.1|"))

                try filled.empty()
                #expect(try workload.run("close") == "closed")
                #expect(try workload.run("listen 0.0.0.0 9000") == "listening")
                _ = try room.connect(to: place)
                #expect(try room.proxy[2].accepted().localPort == 9000)
            }
        }

        @Test func `nobody reaches a managed listener whose place finds no room, bound or not`() throws {
            try Room.with(ownObject: true) { room in
                try room.install(agent)
                let filled = try room.fill("places", UInt64(1))
                let workload = try room.start("server.py")
                #expect(try workload.run("listen 0.0.0.0 9000") == "listening")
                #expect(room.kernel.statistics().listenersLost == 1)
                #expect(try !room.reaches(workload, at: place))
                let port = try workload.run("listen_unbound")
                #expect(room.kernel.statistics().listenersLost == 2)
                #expect(try !room.reaches(workload, at: "10.99.0.1 \(port)"))
                try filled.empty()
            }
        }

        @Test func `a connection without room for its record arrives without one`() throws {
            try Room.with(ownObject: true) { room in
                try room.install(agent)
                let workload = try room.start("agent.py"), filled = try room.fill("pending_flows", kept_flow())
                let peer = "\(Room.managedIPv4)|\(Room.managedPort)"
                #expect(try room.dial(workload) == .redirected(nil, peer: peer))
                #expect(room.kernel.statistics().flowsLost == 1)
                try filled.empty()
                #expect(try room.identity(workload) == Room.identity)
            }
        }

        @Test func `without room for an answer a process stays undecided, and a policy that brings answers is refused`()
            throws
        {
            try Room.with(ownObject: true) { room in
                let hashed = Selector(conditions: [.binaryHash: Condition(anyOf: [.text("00")])])
                let generation = try room.install(hashed)
                let workload = try room.start("agent.py"), filled = try room.fillAnswers()
                let image = try room.image(of: workload)
                let full = KernelError.mapRefused(operation: "write to", map: "user_space_answers", errno: E2BIG)
                #expect(throws: full) { try room.kernel.answer(image, holding: [0], generation: generation) }
                #expect(try room.identity(workload) == .undecided)
                #expect(throws: full) {
                    try room.kernel.install(SelectorProgram(slots: []), handles: [:], known: [image: []])
                }
                try filled.empty()
                #expect(try room.kernel.answer(image, holding: [0], generation: generation))
                #expect(try room.identity(workload) == Room.identity)
            }
        }

        @Test func `answers that come too late leave nothing behind`() throws {
            try Room.with(ownObject: true) { room in
                let generation = try room.install(
                    Selector(conditions: [.binaryHash: Condition(anyOf: [.text("00")])]))
                let workload = try room.start("agent.py")
                let former = try room.image(of: workload)
                try workload.become("become /usr/bin/python3 python3 agent.py")
                let last = try room.image(of: workload)
                for image in [former, last] {
                    #expect(try room.kernel.answer(image, holding: [0], generation: generation))
                }
                #expect(try room.count("user_space_answers", process_key()) == 1)
                workload.stop()
                #expect(try room.kernel.answer(last, holding: [0], generation: generation))
                #expect(try room.count("user_space_answers", process_key()) == 0)
            }
        }

        @Test func `in a cgroup that finds no room nothing is decided by cgroup, and the rest as ever`() throws {
            try Room.with(ownObject: true) { room in
                let filled = try room.fillCgroups(), cgroup = try room.makeCgroup("late")
                let workload = try room.start("agent.py")
                try room.admit(workload, to: cgroup)
                try room.install(.cgroup, [.text(cgroup.name)])
                #expect(try room.dial(workload) == .failed("error EPERM"))
                #expect(room.kernel.statistics().decisionsLost > 0)
                try room.install(agent)
                #expect(try room.identity(workload) == Room.identity)
                try filled.empty()
                try room.install(.cgroup, [.text(cgroup.name)])
                #expect(try room.identity(workload) == Room.identity)
            }
        }
    }
}

extension Room {
    /// A workload that found no room: where somebody else on this machine left some at that moment, another one.
    func startUnknown(_ filled: FilledTable<UInt32, process_facts>) throws -> Workload {
        for _ in 1...20 {
            try filled.refill()
            let workload = try start("agent.py")
            if kernel.facts(of: workload.pid) == nil { return workload }
        }
        throw POSIXError(.EAGAIN)
    }

    /// Whether a connection of somebody without an identity gets to the socket a workload listens on.
    func reaches(_ workload: Workload, at endpoint: String) throws -> Bool {
        let client = try Socket(family: InternetEndpoint(endpoint))
        try client.beginConnect(to: InternetEndpoint(endpoint))
        return try withExtendedLifetime(client) { try !workload.run("accept 1").hasPrefix("error") }
    }

    func connect(to endpoint: String) throws -> Socket {
        let socket = try Socket(family: InternetEndpoint(endpoint))
        try socket.connect(to: InternetEndpoint(endpoint))
        return socket
    }

    /// How many entries a map has.
    func count<Key: BitwiseCopyable>(_ map: String, _ any: Key) throws -> Int {
        let descriptor = try pinned(map)
        defer { close(descriptor) }
        var key = any, count = 0
        var status = bpf_map_get_next_key(descriptor, nil, &key)
        while status == 0 {
            count += 1
            var next = any
            status = bpf_map_get_next_key(descriptor, &key, &next)
            key = next
        }
        return count
    }
}
