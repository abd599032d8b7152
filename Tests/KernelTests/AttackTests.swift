import Foundation
import Testing
import Workloads

@testable import Kernel

extension KernelSessionTests {
    /// Attempts on the records that lend an identity, or a way past the proxy, to a source port.
    @Suite(.serialized) struct AttackTests {
        private let agent = Selector(userIDs: [1001], commandLines: [["python3", "agent.py"]])
        private let destination = "\(Room.managedIPv4) \(Room.managedPort)"
        private let proxy = "127.0.0.1 \(Room.outboundPort)"

        @Test(arguments: [
            "dial_fast", "dial_fast_by_option", "dial_without_blocking", "child connect", "thread connect",
        ])
        func `no way to connect leads to the proxy's port directly`(_ way: String) throws {
            try Room.with { room in
                try room.install(agent)
                let managed = try room.start("agent.py"), nobody = try room.start("other.py")
                for workload in [managed, nobody] {
                    #expect(try room.dial(workload, "\(way) \(proxy)") == .failed("error EPERM"))
                }
                #expect(room.kernel.statistics().refusals == 2)
            }
        }

        @Test(arguments: ["ring", "ring-worker", "ring-poller"])
        func `io_uring does not lead to the proxy's port directly`(_ way: String) throws {
            try Room.with { room in
                let reason = Room.reasonAgainstRings ?? "EPERM"
                let arrival = try room.dial(room.startWitness(), "\(way) \(proxy)")
                #expect(arrival == .failed("error \(reason)"))
            }
        }

        @Test func `Multipath TCP does not lead to the proxy's port directly`() throws {
            try Room.with { room in
                let exists = FileManager.default.fileExists(atPath: "/proc/sys/net/mptcp/enabled")
                let arrival = try room.dial(room.start("other.py"), "connect \(proxy) mptcp")
                #expect(arrival == .failed(exists ? "error EPERM" : "error EPROTONOSUPPORT"))
            }
        }

        /// The victim gives up before the proxy has answered at all.
        @Test func `a handshake that never completed lends its source port nothing`() throws {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("agent.py"), outsider = try room.outsider()
                let filling = try room.fill(room.proxy[0])
                #expect(try workload.run("begin_dial \(destination) 40001") == "EINPROGRESS")
                #expect(try workload.run("state") == Room.synSent)
                #expect(try workload.run("close") == "closed")
                try room.drain(filling, of: room.proxy[0])

                let direct = "connect \(proxy) 4 40001"
                #expect(try room.dial(outsider, direct) == .redirected(nil, peer: "127.0.0.1|\(Room.outboundPort)"))
            }
        }

        /// The victim is gone when the proxy gets to its connection; the attacker's is the next in line.
        @Test func `a connection closed before the proxy accepts it lends its source port nothing`() throws {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("agent.py"), outsider = try room.outsider()
                _ = try workload.run("begin_dial \(destination) 40001")
                #expect(try workload.run("abort") == "aborted")
                try outsider.send("connect \(proxy) 4 40001")
                let first = try room.proxy[0].accepted(), second = try room.proxy[0].accepted()
                #expect(room.kernel.flow(ofAccepted: first.descriptor)?.process.pid == workload.pid)
                #expect(first.receive() == "")
                #expect(room.kernel.flow(ofAccepted: second.descriptor) == nil)
                second.send("proxy")
                #expect(try outsider.answer() == "proxy 127.0.0.1|\(Room.outboundPort)")
            }
        }

        /// While the victim waits for the proxy, its source port is its own.
        @Test func `a source port on its way to the proxy cannot be shared`() throws {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("agent.py"), outsider = try room.outsider()
                let filling = try room.fill(room.proxy[0])
                #expect(try workload.run("begin_dial \(destination) 40001") == "EINPROGRESS")
                #expect(try outsider.run("connect \(proxy) 4 40001").hasPrefix("error EADDR"))
                try room.drain(filling, of: room.proxy[0])
            }
        }

        @Test func `the way past the proxy ends with a socket that gave up before it was connected`() throws {
            try Room.with { room in
                try room.install(Selector(userIDs: [1001], commandLines: [["python3", "server.py"]]))
                let workload = try room.start("server.py")
                #expect(try workload.run("listen 10.99.0.1 9000 4 0") == "listening")
                let endpoint = try InternetEndpoint("10.99.0.1 9000"), source = try InternetEndpoint("10.99.0.1 40002")
                let client = try InternetEndpoint("192.0.2.7 4711")
                let filling = try Socket(family: endpoint)
                try room.kernel.prepareUpstream(fd: filling.descriptor, client: client)
                try filling.connect(to: endpoint)
                try room.giveUp(on: endpoint, from: source, client: client)
                #expect(try workload.run("accept") == "192.0.2.7|4711 192.0.2.7|4711")

                // The same two ends again, by somebody who was not prepared.
                let attacker = try Socket(family: endpoint, from: source)
                try attacker.connect(to: endpoint)
                #expect(try room.proxy[2].accepted().localPort == 9000)
                #expect(try workload.run("accept 1") == "error TIMEOUT")
            }
        }
    }
}

extension Room {
    /// TCP_SYN_SENT in the kernel's enum.
    static let synSent = "2"

    /// Somebody whom the hooks on connect do not see.
    func outsider() throws -> Workload {
        let outsider = try start("outsider.py")
        try admit(outsider, to: outer)
        return outsider
    }

    /// Leaves a listener no room for a further connection: it drops their SYN.
    func fill(_ listener: Socket) throws -> Socket {
        try listener.listen(backlog: 0)
        let endpoint = try InternetEndpoint("127.0.0.1 \(Self.outboundPort)")
        let filling = try Socket(family: endpoint)
        try filling.connect(to: endpoint)
        return filling
    }

    func drain(_ filling: Socket, of listener: Socket) throws {
        _ = try listener.accepted()
        try listener.listen(backlog: 16)
    }

    /// A dial of the proxy that is closed while nobody has answered yet.
    func giveUp(on endpoint: InternetEndpoint, from source: InternetEndpoint, client: InternetEndpoint) throws {
        let dialler = try Socket(family: endpoint, from: source)
        try kernel.prepareUpstream(fd: dialler.descriptor, client: client)
        try dialler.beginConnect(to: endpoint)
        #expect("\(dialler.state)" == Self.synSent)
    }
}
