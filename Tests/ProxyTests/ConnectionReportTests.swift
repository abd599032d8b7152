@testable import Proxy
import Foundation
import NIOCore
import SPIFFE
import Testing
import Workloads

@Suite("Connection report") struct ConnectionReportTests {
    @Test func `raw bytes are counted exactly, in both directions, on both hosts`() async throws {
        let begin = Date()
        let hosts = try await TwoHosts()
        let wire = try await hosts.dial()
        let server = try await hosts.application.connection()
        try await wire.send([UInt8](repeating: 1, count: 1_000_003))
        _ = try await server.receive(count: 1_000_003)
        try await server.send([UInt8](repeating: 2, count: 70_001))
        _ = try await wire.receive(count: 70_001)

        let client = try Self.only(hosts.client)
        #expect(client.bytesFromApplication == 1_000_003 && client.bytesToApplication == 70_001)
        let tool = try Self.only(hosts.server)
        #expect(tool.bytesFromApplication == 70_001 && tool.bytesToApplication == 1_000_003)
        #expect(client.startedAt >= begin && client.startedAt <= Date())

        wire.close()
        server.close()
        let end = try await hosts.client.journal.entry(.connectionClosed, allowed: true)
        #expect(end.workload == hosts.agent && end.peer == hosts.tool && end.process == client.process)
        #expect(end.passed?.bytesFromApplication == 1_000_003 && end.passed?.bytesToApplication == 70_001)
        let other = try await hosts.server.journal.entry(.connectionClosed, allowed: true)
        #expect(other.passed?.bytesFromApplication == 70_001 && other.connection == end.connection)
    }

    @Test func `what was never established has no end to tell of`() async throws {
        let hosts = try await TwoHosts()
        hosts.client.routes.change {
            $0.outboundPeers = PeerPolicy(trustDomain: hosts.authority.trustDomain, allowed: [])
        }
        #expect(try await hosts.dial().end() == .reset)
        _ = try await hosts.client.journal.entry(.connectionOutbound, allowed: false)
        _ = try await eventually("its end") { hosts.client.proxy.connectionCount == 0 ? true : nil }
        #expect(!hosts.client.journal.all.contains { $0.kind == .connectionClosed })
    }

    @Test func `both ends of a connection are told as their applications see them`() async throws {
        let hosts = try await TwoHosts()
        let wire = try await hosts.dial()
        try await wire.send("ping")
        try await hosts.application.connection().receive(through: "ping")

        let client = try Self.only(hosts.client)
        #expect(client.direction == .outbound && client.process == ProcessKey(pid: 4711, startTime: 1))
        #expect(client.workload == hosts.agent && client.peer == hosts.tool && !client.plainText)
        #expect(client.source == wire.channel.localAddress?.text)
        #expect(client.destination == hosts.destination.text)
        let tool = try Self.only(hosts.server)
        #expect(tool.direction == .inbound && tool.process == nil)
        #expect(tool.workload == hosts.tool && tool.peer == hosts.agent && !tool.plainText)
        let name = try await hosts.server.journal.entry(.connectionInbound, allowed: true).connection
        #expect("\(tool.source)>\(tool.destination)" == name)
        #expect(tool.network == 0 && client.network == 0)
    }

    @Test func `heads, bodies and framing of HTTP are counted as the applications send and get them`() async throws {
        let hosts = try await TwoHosts(resources: ["/mcp"])
        let wire = try await hosts.dial()
        let request = "POST /mcp HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n"
        let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        var got = (client: 0, server: 0)
        try await wire.send(request + "first")
        let server = try await hosts.application.connection()
        got.server += try await server.receive(through: "first").utf8.count
        try await server.send(answer)
        got.client += try await wire.receive(through: "0\r\n\r\n").utf8.count
        try await wire.send(request + "again")
        got.server += try await server.receive(through: "again").utf8.count
        try await server.send(answer)
        got.client += try await wire.receive(through: "0\r\n\r\n").utf8.count

        let client = try Self.only(hosts.client)
        #expect(client.bytesFromApplication == 2 * (request.utf8.count + 5))
        #expect(client.bytesToApplication == got.client)
        let tool = try Self.only(hosts.server)
        #expect(tool.bytesFromApplication == 2 * answer.utf8.count)
        #expect(tool.bytesToApplication == got.server)
        #expect(wire.peek.isEmpty && server.peek.isEmpty)
    }

    @Test func `what the proxy answers itself reaches one application and never the other`() async throws {
        let hosts = try await TwoHosts(resources: ["/mcp"])
        let agent = try hosts.authority.svid("weather-agent")
        let direct = try await hosts.dialDirectly(as: agent)
        try await direct.send("GET /mcp HTTP/1.1\r\nHost: h\r\n\r\n")
        try await direct.receive(through: "}")
        let tool = try Self.only(hosts.server)
        #expect(tool.bytesToApplication == 0 && tool.bytesFromApplication == 0)

        let wire = try await hosts.dial()
        try await wire.send("GET /other HTTP/1.1\r\nHost: h\r\n\r\n")
        let refusal = try await wire.receive(through: "}")
        #expect(try Self.only(hosts.client).bytesToApplication == refusal.utf8.count)
    }

    @Test func `plain text let by is told as such`() async throws {
        let hosts = try await TwoHosts()
        hosts.server.routes.change { $0.tlsMode = .permissive }
        let wire = try await Wire.connect(to: hosts.destination)
        try await wire.send("hello")
        try await hosts.application.connection().receive(through: "hello")
        let tool = try Self.only(hosts.server)
        #expect(tool.plainText && tool.peer == nil && tool.bytesToApplication == 5)
        #expect(tool.source == wire.channel.localAddress?.text)
    }

    @Test func `connections are told oldest first, with their network, until they end`() async throws {
        let hosts = try await TwoHosts()
        let source = try hosts.client.proxy.bind(outboundPort: 0, in: RecordingNetwork(cookie: 7))
        var ends: [Wire] = []
        for descriptors in [hosts.client.descriptors, source] {
            let wire = try await hosts.dial(from: descriptors)
            try await wire.send("ping")
            let server = try await hosts.application.connection()
            try await server.receive(through: "ping")
            ends += [wire, server]
        }
        let reports = hosts.client.proxy.connections()
        #expect(reports.map(\.network) == [0, 7] && reports[0].id < reports[1].id)
        ends.forEach { $0.close() }
        _ = try await eventually("no connection left") { hosts.client.proxy.connections().isEmpty ? true : nil }
    }

    @Test func `a report survives JSON, its direction a word`() async throws {
        let hosts = try await TwoHosts()
        let wire = try await hosts.dial()
        try await wire.send("ping")
        try await hosts.application.connection().receive(through: "ping")
        let report = try Self.only(hosts.client)
        let json = try JSONEncoder().encode(report)
        #expect(String(decoding: json, as: UTF8.self).contains(#""direction":"outbound""#))
        #expect(try JSONDecoder().decode(ConnectionReport.self, from: json) == report)
    }

    private static func only(_ host: TwoHosts.Host) throws -> ConnectionReport {
        let reports = host.proxy.connections()
        try #require(reports.count == 1)
        return reports[0]
    }
}
