@testable import Proxy
import Glibc
import NIOCore
import SPIFFE
import Testing

@Suite("Networks") struct NetworkTests {
    /// Two hosts, and on each a network of its own, bound while the proxies run.
    private struct Apart {
        let hosts: TwoHosts
        let agents = RecordingNetwork(cookie: 7)
        let tools = RecordingNetwork(cookie: 8)
        let source: LoopbackProxy.ListeningDescriptors
        let target: LoopbackProxy.ListeningDescriptors

        init(resources: [String] = []) async throws {
            hosts = try await TwoHosts(resources: resources)
            let wire = try await hosts.dial()
            try await wire.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")  // Both proxies run once this was answered.
            if resources.isEmpty {
                try await hosts.application.connection().receive(through: "\r\n\r\n")
            } else {
                try await wire.receive(through: "}")
            }
            wire.close()
            source = try hosts.client.proxy.bind(outboundPort: 0, in: agents)
            target = try hosts.server.proxy.bind(outboundPort: 0, in: tools)
        }

        func dial() async throws -> Wire { try await hosts.dial(from: source, to: target) }

        /// A connection that has carried something, and its end at the application.
        func live() async throws -> (client: Wire, server: Wire) { try await NetworkTests.carry(dial(), hosts) }
    }

    @Test func `devices that cannot be told are an error, and not none`() throws {
        #expect(throws: ProxyError.self) {
            try HostNetwork.links { throw IOError(errnoCode: EMFILE, reason: "getifaddrs") }
        }
        #expect(try HostNetwork.links { [] } == [])
    }

    @Test func `a network bound while the proxy runs is served, with sockets of its own`() async throws {
        let apart = try await Apart()
        let before = (apart.agents.sockets, apart.tools.sockets)
        #expect(before.0 >= 4 && before.1 >= 4)
        let (client, server) = try await apart.live()
        try await server.send("pong")
        try await client.receive(through: "pong")
        #expect(apart.agents.sockets == before.0 + 1)
        #expect(apart.tools.sockets == before.1 + 1)
        #expect(apart.hosts.client.proxy.connectionCount(in: 7) == 1)
        #expect(apart.hosts.server.proxy.connectionCount(in: 8) == 1)
    }

    @Test func `the HTTP lane dials in the network of its connection, too`() async throws {
        let apart = try await Apart(resources: ["/mcp"])
        let before = (apart.agents.sockets, apart.tools.sockets)
        let wire = try await apart.dial()
        try await wire.send("GET /mcp HTTP/1.1\r\nHost: h\r\n\r\n")
        try await apart.hosts.application.connection().receive(through: "\r\n\r\n")
        #expect(apart.agents.sockets == before.0 + 1)
        #expect(apart.tools.sockets == before.1 + 1)
    }

    @Test func `from a network that makes no more sockets nothing is dialled by another way`() async throws {
        let apart = try await Apart(resources: ["/mcp"])
        apart.agents.vanish()
        let wire = try await apart.dial()
        try await wire.send("GET /mcp HTTP/1.1\r\nHost: h\r\n\r\n")
        #expect(try await wire.receive(through: "}").hasPrefix("HTTP/1.1 502 "))
        let entry = try await apart.hosts.client.journal.entry(.connectionOutbound, allowed: false)
        #expect(entry.reason.contains("errno \(ENETDOWN)"))
        #expect(apart.hosts.applicationIsUntouched)
    }

    @Test func `in a network that makes no more sockets no application is reached by another way`() async throws {
        let apart = try await Apart()
        apart.tools.vanish()
        #expect(try await apart.dial().end() == .reset)
        let entry = try await apart.hosts.server.journal.entry(.connectionInbound, allowed: false)
        #expect(entry.reason.contains("errno \(ENETDOWN)"))
        // Of the connection that was there before.
        #expect(apart.hosts.application.waiting == 0 && apart.hosts.server.flows.announced.count == 1)
    }

    @Test func `the same address is another workload's in another network`() async throws {
        let apart = try await Apart()
        let stranger = try apart.hosts.authority.svid("stranger")
        apart.hosts.client.routes.change { $0.elsewhere = [7: stranger.id] }
        #expect(try await apart.dial().end() == .reset)
        let refused = try await apart.hosts.client.journal.entry(.connectionOutbound, allowed: false)
        #expect(refused.reason.contains("where \(stranger.id) is expected"))

        apart.hosts.server.svids.hold(stranger)
        apart.hosts.server.routes.change { $0.elsewhere = [8: stranger.id] }
        _ = try await apart.live()
        #expect(apart.hosts.server.proxy.connections().map(\.workload).contains(stranger.id))
        _ = try await Self.carry(apart.hosts.dial(), apart.hosts)
    }

    @Test func `a policy that changes in one network cuts no connection of another`() async throws {
        let apart = try await Apart()
        let (client, _) = try await apart.live()
        let (other, server) = try await Self.carry(apart.hosts.dial(), apart.hosts)
        let stranger = try apart.hosts.authority.svid("stranger").id
        apart.hosts.client.routes.change { $0.elsewhere = [7: stranger] }
        #expect(apart.hosts.client.proxy.reevaluate() == 1)
        #expect(try await client.end() == .reset)
        try await other.send("still here")
        try await server.receive(through: "still here")
    }

    @Test func `unbound, a network takes no new connection, and those under way go on`() async throws {
        let apart = try await Apart()
        let (client, server) = try await apart.live()
        #expect(apart.hosts.client.proxy.unbind(network: 7) == 0)
        await #expect(throws: (any Error).self) { _ = try await apart.dial() }
        try await client.send("still here")
        try await server.receive(through: "still here")
        #expect(apart.hosts.client.proxy.connectionCount(in: 7) == 1)
        _ = try await Self.carry(apart.hosts.dial(), apart.hosts)
        client.close()
        server.close()
        _ = try await eventually("no connection left") {
            apart.hosts.client.proxy.connectionCount(in: 7) == 0 ? true : nil
        }
    }

    @Test func `unbound with a cut, a network loses its connections, and no other does`() async throws {
        let apart = try await Apart()
        let (client, server) = try await apart.live()
        let (other, otherServer) = try await Self.carry(apart.hosts.dial(), apart.hosts)
        #expect(apart.hosts.client.proxy.unbind(network: 7, cut: true) == 1)
        #expect(try await client.end() == .reset)
        #expect(try await server.end() == .reset)
        let entry = try await apart.hosts.client.journal.entry(.connectionCut, allowed: false)
        #expect(entry.workload == apart.hosts.agent && entry.reason.hasPrefix("network 7 is not served any more"))
        try await other.send("still here")
        try await otherServer.receive(through: "still here")
    }

    @Test func `unbound with a cut, a network serves none of those that it had accepted and not yet known`()
        async throws
    {
        let apart = try await Apart()
        let flows = apart.hosts.client.flows
        let (asked, served) = (flows.asked, apart.hosts.server.journal.all.count)
        flows.hold()
        let wire = try await apart.dial()
        _ = try await eventually("the connection to be accepted") { flows.asked > asked ? true : nil }
        #expect(apart.hosts.client.proxy.unbind(network: 7, cut: true) == 0)
        flows.release()
        #expect(try await wire.end() == .reset)
        let entry = try await apart.hosts.client.journal.entry(.connectionOutbound, allowed: false)
        #expect(entry.reason.hasPrefix("network 7 is not served any more") && entry.workload == apart.hosts.agent)
        #expect(apart.hosts.server.journal.all.count == served)
    }

    @Test func `a network is bound once, and again after it was unbound`() async throws {
        let apart = try await Apart()
        #expect { try apart.hosts.client.proxy.bind(outboundPort: 0, in: apart.agents) } throws: { error in
            "\(error)".hasPrefix("network 7 is served already")
        }
        apart.hosts.client.proxy.unbind(network: 7)
        let port = apart.source.outboundPort
        let again = try apart.hosts.client.proxy.bind(outboundPort: port, in: apart.agents)
        #expect(again.outboundPort == port)
        _ = try await Self.carry(apart.hosts.dial(from: again, to: apart.target), apart.hosts)
    }

    @Test func `fifty networks come and go, and leave no socket behind`() async throws {
        let apart = try await Apart()
        let (client, server) = try await apart.live()
        for cookie in UInt64(100)..<150 {
            let network = RecordingNetwork(cookie: cookie)
            let source = try apart.hosts.client.proxy.bind(outboundPort: 0, in: network)
            let (wire, _) = try await Self.carry(apart.hosts.dial(from: source), apart.hosts)
            #expect(apart.hosts.client.proxy.unbind(network: cookie, cut: true) == 1)
            #expect(try await wire.end() == .reset)
            _ = try await eventually("the listener's descriptor closed, or another's") {
                (try? ListeningSocket.port(of: source.outbound4)) == source.outboundPort ? nil : true
            }
            _ = try await eventually("no connection left") {
                apart.hosts.client.proxy.connectionCount(in: cookie) == 0 ? true : nil
            }
        }
        try await client.send("still here")
        try await server.receive(through: "still here")
    }

    private static func carry(_ wire: Wire, _ hosts: TwoHosts) async throws -> (client: Wire, server: Wire) {
        try await wire.send("ping")
        let server = try await hosts.application.connection()
        try await server.receive(through: "ping")
        return (wire, server)
    }
}
