import NIOCore
import Proxy
import SPIFFE
import Testing
import Workloads

@Suite("Held connections") struct HeldConnectionTests {
    private let process = ProcessKey(pid: 4711, startTime: 1)

    private func dial(_ hosts: TwoHosts, as flow: AcceptedFlow) async throws -> Wire {
        let port = Int(hosts.client.descriptors.outboundPort)
        return try await Wire.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: port), in: hosts) { source in
            hosts.client.flows.expect(flow, from: source)
        }
    }

    @Test func `a connection waits until it is known whose it is, and loses none of its bytes`() async throws {
        let hosts = try await TwoHosts()
        hosts.client.flows.hold()
        let wire = try await hosts.dial()
        try await wire.send("early")
        _ = try await eventually("the question whose it is") { hosts.client.flows.asked == 1 ? true : nil }
        #expect(hosts.application.waiting == 0 && hosts.client.journal.all.isEmpty)
        #expect(hosts.client.proxy.connectionCount == 1)
        hosts.client.flows.release()
        try await hosts.application.connection().receive(through: "early")
        let outbound = try await hosts.client.journal.entry(.connectionOutbound, allowed: true)
        #expect(outbound.workload == hosts.agent && outbound.peer == hosts.tool)
    }

    @Test func `held connections count against the limit`() async throws {
        var limits = ProxyLimits.patient
        limits.maximumConnections = 1
        let hosts = try await TwoHosts(limits: limits)
        hosts.client.flows.hold()
        let first = try await hosts.dial()
        _ = try await eventually("the first to be held") { hosts.client.flows.asked == 1 ? true : nil }
        let second = try await hosts.dial()
        try await second.inputClosed()
        let refused = try await hosts.client.journal.entry(.connectionOutbound, allowed: false)
        #expect(refused.reason.contains("connections are taken"))
        #expect(hosts.client.flows.asked == 1)
        hosts.client.flows.release()
        try await first.send("ping")
        try await hosts.application.connection().receive(through: "ping")
    }

    @Test func `whoever turns out to have no identity is relayed as it is, with no SVID`() async throws {
        let hosts = try await TwoHosts()
        let outside = try await Application()
        let wire = try await dial(hosts, as: .plain(process: process, destination: outside.address))
        try await wire.send("ping")
        let server = try await outside.connection()
        #expect(try await server.receive(through: "ping") == "ping")
        try await server.send("pong")
        #expect(try await wire.receive(through: "pong") == "pong")

        let entry = try await hosts.client.journal.entry(.connectionOutbound, allowed: true)
        #expect(entry.reason == "no identity: relayed as it is" && entry.process == process)
        #expect(entry.workload == nil && entry.svidSerial == nil && entry.peer == nil)
        let report = try #require(hosts.client.proxy.connections().first)
        #expect(report.workload == nil && report.plainText && report.bytesFromApplication == 4)
        #expect(report.bytesToApplication == 4)

        try await wire.closeOutput()
        try await server.inputClosed()
        server.close()
        _ = try await eventually("no connection left") { hosts.client.proxy.connections().isEmpty ? true : nil }
    }

    @Test func `it is refused by a workload that wants to know its peer`() async throws {
        let hosts = try await TwoHosts()
        let wire = try await dial(hosts, as: .plain(process: process, destination: hosts.destination))
        try await wire.send("hello")
        _ = try await wire.end()
        let refused = try await hosts.server.journal.entry(.connectionInbound, allowed: false)
        #expect(refused.reason == "plain text refused: the peer presented no SVID")
        #expect(hosts.applicationIsUntouched)
    }

    @Test func `it dials from the network namespace it came from`() async throws {
        let hosts = try await TwoHosts()
        let network = RecordingNetwork(cookie: 7)
        let elsewhere = try hosts.client.proxy.bind(outboundPort: 0, in: network)
        let listeners = network.sockets
        let address = try SocketAddress(ipAddress: "127.0.0.1", port: Int(elsewhere.outboundPort))
        let outside = try await Application()
        let flow = AcceptedFlow.plain(process: process, destination: outside.address)
        let wire = try await Wire.connect(to: address, in: hosts) { hosts.client.flows.expect(flow, from: $0) }
        try await wire.send("ping")
        try await outside.connection().receive(through: "ping")
        #expect(network.sockets == listeners + 1)

        #expect(hosts.client.proxy.unbind(network: 7, cut: true) == 1)
        #expect(try await wire.endsUncleanly())
    }

    @Test func `a policy that changes does not touch it, as it has no right that could be lost`() async throws {
        let hosts = try await TwoHosts()
        let outside = try await Application()
        let wire = try await dial(hosts, as: .plain(process: process, destination: outside.address))
        try await wire.send("ping")
        let server = try await outside.connection()
        try await server.receive(through: "ping")
        hosts.client.routes.change {
            $0.outboundPeers = PeerPolicy(trustDomain: hosts.authority.trustDomain, allowed: [])
        }
        #expect(hosts.client.proxy.reevaluate() == 0)
        try await server.send("pong")
        try await wire.receive(through: "pong")
    }

    @Test func `what nobody answers for is closed, and the journal says whose it was and why`() async throws {
        let hosts = try await TwoHosts()
        let reason = "process 4711 ended before it was known what it is"
        // Else it may be over before the test's end of it is set up.
        hosts.client.flows.hold()
        let wire = try await dial(hosts, as: .refused(process: process, reason: reason))
        hosts.client.flows.release()
        try await wire.inputClosed()
        let refused = try await hosts.client.journal.entry(.connectionOutbound, allowed: false)
        #expect(refused.reason == reason && refused.process == process)
        #expect(hosts.applicationIsUntouched)
    }

    @Test func `a destination that does not answer is told, and the connection reset, long before the dial's deadline`()
        async throws
    {
        var limits = ProxyLimits.patient
        // Longer than the test waits.
        limits.connect = .seconds(600)
        let hosts = try await TwoHosts(limits: limits)
        let outside = try await Application()
        // No test listens at that address; a port of its own that was given up could be another test's by now.
        let nobody = try SocketAddress(ipAddress: "127.77.0.1", port: outside.address.port ?? 1)
        // Else it may be over before the test's end of it is set up.
        hosts.client.flows.hold()
        let wire = try await dial(hosts, as: .plain(process: process, destination: nobody))
        hosts.client.flows.release()
        #expect(try await wire.end() == .reset)
        let refused = try await hosts.client.journal.entry(.connectionOutbound, allowed: false)
        #expect(refused.reason.contains("does not answer") && refused.process == process)
    }

    @Test func `only what a process has lost is cut, with the reason`() async throws {
        let hosts = try await TwoHosts()
        let wire = try await hosts.dial()
        try await wire.send("ping")
        try await hosts.application.connection().receive(through: "ping")
        let proxy = hosts.client.proxy
        #expect(proxy.openers == [process])
        #expect(proxy.idsOfOpening(by: process) == [ProcessIDs(userID: 0, groupID: 0)])
        #expect(proxy.cutOutbound(of: ProcessKey(pid: 4712, startTime: 1)) { _ in "changed" } == 0)
        #expect(proxy.cutOutbound(of: process) { $0.workload == hosts.agent ? nil : "changed" } == 0)
        #expect(proxy.cutOutbound(of: process) { _ in "changed" } == 1)
        #expect(try await wire.endsUncleanly())
        #expect(try await hosts.client.journal.entry(.connectionCut, allowed: false).reason == "changed")
        _ = try await eventually("the connection to be forgotten") { proxy.openers.isEmpty ? true : nil }
        #expect(proxy.idsOfOpening(by: process).isEmpty)
    }

    /// It executed another program between its connect() and the proxy's accept().
    @Test func `a process that is not any more who it was is refused, though nothing of it could be cut yet`()
        async throws
    {
        let hosts = try await TwoHosts()
        hosts.client.flows.object("executed")
        let wire = try await hosts.dial()
        #expect(try await wire.endsUncleanly())
        let refused = try await hosts.client.journal.entry(.connectionOutbound, allowed: false)
        #expect(refused.reason == "executed" && refused.workload == hosts.agent)
        #expect(hosts.applicationIsUntouched)
    }
}
