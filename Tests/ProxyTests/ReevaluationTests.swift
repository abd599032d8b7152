import Foundation
import Proxy
import SPIFFE
import Testing
import Workloads

@Suite("Re-evaluation") struct ReevaluationTests {
    @Test func `a policy that changed nothing cuts nothing`() async throws {
        let (hosts, wire, server) = try await Self.live()
        #expect(hosts.client.proxy.reevaluate() == 0)
        #expect(hosts.server.proxy.reevaluate() == 0)
        try await wire.send("still here")
        try await server.receive(through: "still here")
    }

    @Test func `a server that has closed its listener keeps its connections as long as it is somebody`() async throws {
        let (hosts, wire, server) = try await Self.live()
        hosts.server.routes.change { ($0.listener, $0.isDraining) = (nil, true) }
        #expect(hosts.server.proxy.reevaluate() == 0)
        try await wire.send("last words")
        try await server.receive(through: "last words")
        let withdrawn = PeerPolicy(trustDomain: hosts.authority.trustDomain, withdrawn: [hosts.tool])
        hosts.server.routes.change { $0.inboundPeers = withdrawn }
        #expect(hosts.server.proxy.reevaluate() == 1)
        hosts.server.routes.change { $0.isDraining = false }
        #expect(try await wire.end() == .reset)
    }

    @Test func `a withdrawn identity loses its live connection at its own host`() async throws {
        let (hosts, wire, server) = try await Self.live()
        let withdrawn = PeerPolicy(trustDomain: hosts.authority.trustDomain, withdrawn: [hosts.agent])
        hosts.client.routes.change { $0.outboundPeers = withdrawn }
        #expect(hosts.client.proxy.reevaluate() == 1)
        #expect(try await wire.end() == .reset)
        #expect(try await server.end() == .reset)
        let entry = try await hosts.client.journal.entry(.connectionCut, allowed: false)
        #expect(entry.workload == hosts.agent && entry.peer == hosts.tool && entry.connection != nil)
        #expect(entry.passed?.bytesFromApplication == 1)
        _ = try await eventually("the end of its books") { hosts.client.proxy.connectionCount == 0 ? true : nil }
        #expect(!hosts.client.journal.all.contains { $0.kind == .connectionClosed })
        #expect(entry.reason.hasPrefix("\(hosts.agent) was deleted"))
    }

    @Test func `a withdrawn peer loses its live connection at the other host`() async throws {
        let (hosts, wire, server) = try await Self.live()
        let withdrawn = PeerPolicy(trustDomain: hosts.authority.trustDomain, withdrawn: [hosts.agent])
        hosts.server.routes.change { $0.inboundPeers = withdrawn }
        #expect(hosts.server.proxy.reevaluate() == 1)
        #expect(try await wire.end() == .reset)
        #expect(try await server.end() == .reset)
        let entry = try await hosts.server.journal.entry(.connectionCut, allowed: false)
        #expect(entry.peer == hosts.agent)
    }

    @Test func `a live connection goes with the SVID it was opened with, though its identity is given again`()
        async throws
    {
        let (hosts, wire, server) = try await Self.live()
        let now = IssueTime(Date())
        let policy = { (id: SPIFFEID, through: IssueTime) in
            PeerPolicy(trustDomain: hosts.authority.trustDomain, withdrawn: Withdrawals(through: [id: through]))
        }
        // Earlier than the SVID's issue.
        hosts.server.routes.change { $0.inboundPeers = policy(hosts.agent, IssueTime(seconds: now.seconds - 300)) }
        #expect(hosts.server.proxy.reevaluate() == 0)
        hosts.server.routes.change { $0.inboundPeers = policy(hosts.agent, now) }
        #expect(hosts.server.proxy.reevaluate() == 1)
        #expect(try await wire.end() == .reset)
        #expect(try await server.end() == .reset)
        let entry = try await hosts.server.journal.entry(.connectionCut, allowed: false)
        #expect(entry.peer == hosts.agent && entry.reason.contains("were withdrawn"))
    }

    @Test func `a client cuts a live connection to a server whose SVID was withdrawn`() async throws {
        let (hosts, wire, _) = try await Self.live()
        let withdrawn = PeerPolicy(
            trustDomain: hosts.authority.trustDomain, withdrawn: Withdrawals(through: [hosts.tool: IssueTime(Date())]))
        hosts.client.routes.change { $0.outboundPeers = withdrawn }
        #expect(hosts.client.proxy.reevaluate() == 1)
        #expect(try await wire.end() == .reset)
    }

    @Test func `a destination that becomes protected is not passed unseen any longer`() async throws {
        let (hosts, wire, _) = try await Self.live()
        let resource = try TwoHosts.resource("/mcp")
        hosts.server.routes.change { $0.resources = [resource] }
        #expect(hosts.server.proxy.reevaluate() == 1)
        #expect(try await wire.end() == .reset)
    }

    @Test func `what changes after a connection was planned, and before it can be cut, is noticed all the same`()
        async throws
    {
        let resource = try TwoHosts.resource("/mcp")
        let outbound = try await TwoHosts()
        outbound.client.routes.changeOnceAsked { $0.resources = [resource] }
        #expect(try await outbound.dial().end() == .reset)
        let refused = try await outbound.client.journal.entry(.connectionOutbound, allowed: false)
        #expect(refused.reason == "\(ProxyError.laneChanged)")
        let inbound = try await TwoHosts()
        inbound.server.routes.changeOnceAsked { $0.resources = [resource] }
        #expect(try await inbound.dial().end() == .reset)
        let entry = try await inbound.server.journal.entry(.connectionInbound, allowed: false)
        #expect(entry.reason == "\(ProxyError.laneChanged)")
    }

    @Test func `an unmanaged client is cut when the mode becomes MUTUAL`() async throws {
        let hosts = try await TwoHosts()
        hosts.server.routes.change { $0.tlsMode = .permissive }
        let wire = try await Wire.connect(to: hosts.destination)
        try await wire.send("hello")
        try await hosts.application.connection().receive(through: "hello")
        hosts.server.routes.change { $0.tlsMode = .mutual }
        #expect(hosts.server.proxy.reevaluate() == 1)
        #expect(try await wire.end() == .reset)
    }

    @Test func `what is cut while it is asked for once more is not allowed after that`() async throws {
        let hosts = try await TwoHosts()
        let (routes, proxy, opener) = (hosts.client.routes, hosts.client.proxy, hosts.flow.opener.process)
        routes.onceAsked {
            // Makes it ask again, when it is about to be established.
            routes.change { _ in }
            routes.onceAsked { #expect(proxy.cutOutbound(of: opener) { _ in "it runs something else" } == 1) }
        }
        #expect(try await hosts.dial().end() == .reset)
        let entry = try await hosts.client.journal.entry(.connectionCut, allowed: false)
        #expect(entry.reason.contains("it runs something else"))
        _ = try await eventually("the end of its books") { proxy.connectionCount == 0 ? true : nil }
        #expect(!hosts.client.journal.all.contains { $0.allowed })
    }

    private static func live() async throws -> (TwoHosts, client: Wire, server: Wire) {
        let hosts = try await TwoHosts()
        let wire = try await hosts.dial()
        try await wire.send("x")
        let server = try await hosts.application.connection()
        try await server.receive(through: "x")
        return (hosts, wire, server)
    }
}
