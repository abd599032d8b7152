@testable import Proxy
import NIOCore
import Testing

/// A server may answer before it has the whole request, and read the rest all the same. What two programs see then is the
/// same as on a direct connection; both proxies are on the way.
@Suite("Early answers") struct EarlyAnswerTests {
    private static let body = [UInt8](repeating: 7, count: 1 << 20)
    private static let post = "POST /mcp HTTP/1.1\r\nHost: h\r\nContent-Length: \(body.count)\r\n\r\n"
    private static let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    @Test func `an answer that ends before its request cuts nothing of it, and the connection serves the next one`()
        async throws
    {
        let (_, wire, server) = try await Self.asked(Self.post)
        try await server.send(Self.ok)
        try await wire.receive(through: "\r\n\r\nok")
        try await wire.send(Self.body)
        #expect(try await server.receive(count: Self.body.count) == Self.body)
        try await wire.send("GET /mcp?next HTTP/1.1\r\nHost: h\r\n\r\n")
        #expect(try await server.receive(through: "\r\n\r\n").hasPrefix("GET /mcp?next "))
        try await server.send(Self.ok)
        try await wire.receive(through: "\r\n\r\nok")
    }

    @Test
    func `a request of chunks that was answered arrives with its trailers, and is the last where the answer said so`()
        async throws
    {
        let (_, wire, server) = try await Self.asked(
            "POST /mcp HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        try await server.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
        try await wire.receive(through: "\r\n\r\nok")
        try await wire.send("3\r\ndef\r\n0\r\nX-Sum: 17\r\n\r\n")
        try await server.receive(through: "def\r\n0\r\nX-Sum: 17\r\n\r\n")
        try await server.inputClosed()
        try await wire.inputClosed()
        #expect(wire.peek.isEmpty && server.peek.isEmpty)
    }

    @Test func `a server that answers and closes its half takes the rest of the request`() async throws {
        for head in ["Content-Length: 2", "Connection: close"] {
            let (hosts, wire, server) = try await Self.asked(Self.post)
            try await server.send("HTTP/1.1 200 OK\r\n\(head)\r\n\r\nok")
            try await server.closeOutput()
            try await wire.receive(through: "ok")
            // The client is told so at once, and not cut.
            try await wire.inputClosed()
            try await wire.send(Self.body)
            #expect(try await server.receive(count: Self.body.count) == Self.body)
            #expect(try await server.end() == .closed)
            wire.close()
            try await Self.nothingIsLeft(hosts)
        }
    }

    @Test func `a server that answers and is gone ends the connection after its answer`() async throws {
        let (hosts, wire, server) = try await Self.asked(Self.post)
        try await server.send("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")
        server.close()
        #expect(try await wire.receive(through: "\r\n\r\nno").hasPrefix("HTTP/1.1 413 "))
        try await wire.inputClosed()
        try? await wire.send(Self.body)
        try await Self.nothingIsLeft(hosts)
        #expect(wire.peek.isEmpty)
    }

    @Test func `a client that is answered and leaves within its request does not leave a whole one behind`()
        async throws
    {
        for isHalf in [true, false] {
            let (_, wire, server) = try await Self.asked(Self.post + "half")
            try await server.receive(through: "half")
            try await server.send(Self.ok)
            try await wire.receive(through: "\r\n\r\nok")
            if isHalf { try await wire.closeOutput() } else { wire.close() }
            #expect(try await server.end() == .reset)
            // No reset takes the answer from it.
            #expect(try await wire.end() == .closed)
        }
    }

    @Test func `a client that is answered and sends no more of its request is not waited for`() async throws {
        var limits = ProxyLimits.patient
        limits.idle = .seconds(2)
        let (hosts, wire, server) = try await Self.asked(Self.post + "half", limits: limits)
        try await server.receive(through: "half")
        try await server.send(Self.ok)
        try await wire.receive(through: "\r\n\r\nok")
        #expect(try await server.end() == .reset)
        // It has its answer, and no other one.
        try await wire.inputClosed()
        #expect(wire.peek.isEmpty && !wire.hasEnded)
        wire.close()
        try await Self.nothingIsLeft(hosts)
    }

    @Test func `an answer nobody asked for is no pipelined request's either, when the client takes none`() async throws
    {
        let hosts = try await TwoHosts(resources: ["/mcp"])
        let agent = try hosts.authority.svid("weather-agent")
        let request = "GET /mcp HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer \(hosts.token(for: agent))\r\n\r\n"
        let wire = try await hosts.dialDirectly(as: agent)
        try await wire.send(request)
        let server = try await hosts.application.connection()
        try await server.receive(through: "\r\n\r\n")
        // Read at once: no answer is half read when the client's side is full.
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n" + String(repeating: "a", count: 3000)
        try await server.send(answer)
        try await wire.receive(through: "aaaa")
        let size = UInt64(answer.utf8.count)
        try await wire.channel.setOption(.autoRead, value: false).get()
        try await wire.send(String(repeating: request, count: 1000))
        let front = try #require(hosts.server.proxy.environment.live.all.values.first?.channels.first)
        // The kernel keeps little for a client that reads nothing.
        try await front.setOption(.socketOption(.so_sndbuf), value: 64 << 10).get()
        var answers: UInt64 = 1  // The first one is there.
        while try await !Self.isFull(front) {
            _ = try await eventually("another request, or no room for answers") {
                server.peek.contains("\r\n\r\n") || !front.isWritable ? true : nil
            }
            guard server.peek.contains("\r\n\r\n") else { continue }
            try await server.receive(through: "\r\n\r\n")
            try await server.send(answer)
            answers += 1
            _ = try await eventually("the answer to be read") {
                hosts.server.proxy.connections().first?.bytesFromApplication == answers * size ? true : nil
            }
        }
        #expect(server.peek.isEmpty && answers > 10)
        try await server.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        try await wire.channel.setOption(.autoRead, value: true).get()
        for _ in 1..<answers { try await wire.receive(through: "\r\n\r\n" + String(repeating: "a", count: 3000)) }
        // The connection it came on is of no use to the next request.
        _ = try await server.end()
        #expect(!wire.peek.contains("evil"))
    }

    private static func nothingIsLeft(_ hosts: TwoHosts) async throws {
        for host in [hosts.client, hosts.server] {
            _ = try await eventually("no connection left") { host.proxy.connectionCount == 0 ? true : nil }
        }
    }

    /// Whether nothing can be written, and that stays so.
    private static func isFull(_ channel: any Channel) async throws -> Bool {
        if channel.isWritable { return false }
        try await Task.sleep(for: .milliseconds(300))
        return !channel.isWritable
    }

    /// A request whose head has reached the application.
    private static func asked(
        _ request: String, limits: ProxyLimits = .patient,
    ) async throws -> (TwoHosts, client: Wire, server: Wire) {
        let hosts = try await TwoHosts(resources: ["/mcp"], limits: limits)
        let wire = try await hosts.dial()
        try await wire.send(request)
        let server = try await hosts.application.connection()
        try await server.receive(through: "\r\n\r\n")
        return (hosts, wire, server)
    }
}
