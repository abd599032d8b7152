import Foundation
import Testing
import Workloads

@testable import Kernel

extension KernelSessionTests {
    /// Managed processes in network namespaces of their own, as containers are.
    @Suite(.serialized) struct NetworkNamespaceTests {
        private let agent = Selector(commandLines: [["python3", "agent.py"]])
        private let application = "127.0.0.1 9000"

        @Test func `a process in a namespace that is not served is told of, and refused`() async throws {
            var told: AsyncStream<KernelEvent>?
            var expected: [KernelEvent] = [], expectedNotices: [KernelNotice] = []
            var noticed: AsyncStream<KernelNotice>?
            try Room.with { room in
                try room.install(agent)
                let (workload, network) = try room.startElsewhere("agent.py")
                let key = try #require(room.kernel.facts(of: workload.pid)?.key)
                #expect(try room.dial(workload) == .failed("error EHOSTUNREACH"))
                let destination = try InternetEndpoint("\(Room.managedIPv4) \(Room.managedPort)")
                try workload.become("become /usr/bin/python3 python3 agent.py")
                expected = [.unserved(key, network: network.cookie), .unserved(key, network: network.cookie)]
                let source = KernelRefusal.Source(
                    userID: 0, reason: .namespaceNotServed, identity: Room.identity)
                expectedNotices = [
                    .identified(key, Room.identity),
                    .refused(KernelRefusal(process: key, destination: destination, source: source, count: 1)),
                    // Another image may be somebody else.
                    .identified(key, Room.identity),
                ]
                told = room.kernel.events
                noticed = room.kernel.notices
            }
            var seen: [KernelEvent] = []
            for await event in try #require(told) {
                seen.append(event)
                if seen.count == expected.count { break }
            }
            #expect(seen == expected)
            var notices: [KernelNotice] = []
            for await notice in try #require(noticed) { notices.append(notice) }
            #expect(notices == expectedNotices)
        }

        /// Which the agent may leave as it is: its user has as many as one may have.
        @Test func `a namespace that is not served is told of so often and no oftener, however often it is asked for`()
            async throws
        {
            var told: AsyncStream<KernelEvent>?
            var longest = 0
            try Room.with { room in
                try room.install(agent)
                let (workload, _) = try room.startElsewhere("agent.py")
                let begin = ContinuousClock.now
                let dials = "dial_often \(Room.managedIPv4) \(Room.managedPort) 20000"
                #expect(try workload.run(dials) == "EHOSTUNREACH 20000")
                longest = Int((ContinuousClock.now - begin) / .milliseconds(100)) + 2
                #expect(room.kernel.statistics().eventsLost > 0)
                told = room.kernel.events
            }
            var count = 0
            for await event in try #require(told) { if case .unserved = event { count += 1 } }
            #expect((1...64 * longest).contains(count), "\(count) times in \(longest) tenths of a second")
        }

        /// Whoever makes a user namespace can give any address to the network namespaces in it.
        @Test func `a namespace of a user namespace is told from the host's`() throws {
            try Room.with { room in
                #expect(try NetworkNamespace.current().belongsToInitialUserNamespace())
                let here = try NetworkNamespace.current().inode
                for (options, isHosts) in [(["--net"], true), (["--user", "--net"], false)] {
                    let process = Process()
                    process.executableURL = URL(filePath: "/usr/bin/unshare")
                    process.arguments = options + ["/usr/bin/sleep", "60"]
                    try process.run()
                    defer {
                        kill(process.processIdentifier, SIGKILL)
                        process.waitUntilExit()
                    }
                    while NetworkNamespace.inode(ofPID: process.processIdentifier) == here { usleep(1000) }
                    let namespace = try NetworkNamespace.of(pid: process.processIdentifier)
                    #expect(try namespace.belongsToInitialUserNamespace() == isHosts)
                }
            }
        }

        @Test func `a process elsewhere dials what is not managed, served or not`() throws {
            try Room.with { room in
                try room.install(agent)
                let (workload, network) = try room.startElsewhere("agent.py")
                let far = try Socket(listeningAt: InternetEndpoint(application), in: network)
                for _ in 1...2 {
                    try workload.send("connect \(application)")
                    try far.accepted().send("direct")
                    #expect(try workload.answer() == "direct 127.0.0.1|9000")
                    _ = try room.serve(network)
                }
            }
        }

        @Test func `once its namespace is served a process is redirected to the proxy's listeners there`() throws {
            try Room.with { room in
                try room.install(agent)
                let (workload, network) = try room.startElsewhere("agent.py")
                let proxy = try room.serve(network)
                let destinations = [
                    "\(Room.managedIPv4) \(Room.managedPort)", "\(Room.managedIPv6) \(Room.managedPort) 6",
                ]
                for (destination, listener) in zip(destinations, [proxy.outbound4, proxy.outbound6]) {
                    let flow = try #require(try room.arrival(of: workload, to: destination, at: listener))
                    #expect(flow.identity == Room.identity)
                    #expect(flow.process.pid == workload.pid)
                    #expect(flow.network == network.cookie)
                }
                // And nobody else there.
                let (other, _) = try room.startElsewhere("other.py", in: network)
                #expect(try room.dial(other, "connect \(Room.managedIPv4) 9") == .failed("error ENETUNREACH"))
            }
        }

        @Test func `a process that returns to a namespace that is served is redirected there`() throws {
            try Room.with { room in
                try room.install(agent)
                let (workload, network) = try room.startElsewhere("agent.py")
                _ = try room.serve(network)
                #expect(try workload.run("join_network \(Room.threadNetwork)") == "joined")
                let flow = try #require(try room.dial(workload).flow)
                #expect(try flow.network == NetworkNamespace.current().cookie)
            }
        }

        @Test func `the proxy's port is dialled directly in no namespace`() throws {
            try Room.with { room in
                try room.install(agent)
                let (workload, network) = try room.startElsewhere("agent.py")
                let (other, _) = try room.startElsewhere("other.py", in: network)
                _ = try room.serve(network)
                for dialler in [workload, other] {
                    for address in ["127.0.0.1", "127.0.0.9", "::1"] {
                        let family = address == "::1" ? "6" : "4"
                        let answer = try dialler.run("connect \(address) \(Room.outboundPort) \(family)")
                        #expect(answer == "error EPERM")
                    }
                }
            }
        }

        @Test func `a destination can be managed in one namespace alone`() throws {
            try Room.with { room in
                try room.install(agent)
                let (workload, network) = try room.startElsewhere("agent.py")
                let (neighbour, other) = try room.startElsewhere("agent.py")
                let proxy = try room.serve(network)
                _ = try room.serve(other)
                try room.kernel.setDestinations([], in: [network.cookie: [InternetEndpoint(application)]])
                #expect(try room.arrival(of: workload, to: application, at: proxy.outbound4)?.identity == Room.identity)
                #expect(try neighbour.run("connect \(application)") == "error ECONNREFUSED")
                #expect(try room.dial(room.start("agent.py")) == .direct)
            }
        }
    }
}

extension Room {
    /// What the agent has in a network namespace.
    struct Served {
        let outbound4, outbound6, inbound4, inbound6: Socket
    }

    /// A workload, as root, in a network namespace of its own, or in one that is there already.
    func startElsewhere(
        _ script: String, in network: NetworkNamespace? = nil,
    ) throws -> (workload: Workload, network: NetworkNamespace) {
        let workload = try start(script, userID: 0)
        if let network, let resident = workloads.first(where: { network.contains(pid: $0.pid) }) {
            let answer = try workload.run("join_network /proc/\(resident.pid)/ns/net")
            guard answer == "joined" else { throw Workload.Failure.remains(answer) }
        } else {
            let answer = try workload.run("leave_network")
            guard answer == "left" else { throw Workload.Failure.remains(answer) }
        }
        return (workload, try .of(pid: workload.pid))
    }

    func serve(_ network: NetworkNamespace) throws -> Served {
        let sockets = try [
            "127.0.0.1 \(Self.outboundPort)", "::1 \(Self.outboundPort)", "127.0.0.1 15006", "::1 15006",
        ].map { try Socket(listeningAt: InternetEndpoint($0), in: network) }
        let listeners = ProxyListeners(
            outbound4: sockets[0].descriptor, outbound6: sockets[1].descriptor, inbound4: sockets[2].descriptor,
            inbound6: sockets[3].descriptor)
        try kernel.serve(network, listeners: listeners)
        return Served(outbound4: sockets[0], outbound6: sockets[1], inbound4: sockets[2], inbound6: sockets[3])
    }

    /// Of a connection that has to arrive at this listener.
    func arrival(of workload: Workload, to destination: String, at listener: Socket) throws -> KernelFlow? {
        try workload.send("connect \(destination)")
        let connection = try listener.accepted()
        defer { connection.send("proxy") }
        return kernel.flow(ofAccepted: connection.descriptor)
    }

    /// The room's own, by the thread that is in it.
    static var threadNetwork: String {
        let thread = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self")
        return "/proc/\(thread ?? "self")/ns/net"
    }
}
