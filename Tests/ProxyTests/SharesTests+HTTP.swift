import NIOCore
import Testing

@testable import Proxy

/// Clients that keep a place and say nothing, or little.
extension SharesTests {
    @Test func `a client that stays silent is closed`() async throws {
        var limits = ProxyLimits.patient
        limits.idle = .seconds(1)
        let hosts = try await TwoHosts(resources: ["/mcp"], limits: limits)
        try await hosts.dial().inputClosed()
        try await hosts.dialDirectly(as: hosts.authority.svid("weather-agent")).inputClosed()
        try await Self.nothingIsLeft(hosts)
    }

    @Test func `a head that trickles is refused`() async throws {
        var limits = ProxyLimits.patient
        limits.requestHead = .seconds(2)
        let hosts = try await TwoHosts(resources: ["/mcp"], limits: limits)
        let agent = try hosts.authority.svid("weather-agent")
        let trickling = [try await hosts.dial(), try await hosts.dialDirectly(as: agent)]
        for wire in trickling { try await wire.send("GET /mcp HTTP/1.1\r\nHost: h\r\nX-Slow: ") }
        for _ in 0..<200 where trickling.contains(where: \.peek.isEmpty) {
            for wire in trickling { try? await wire.send("a") }
            // The trickle itself, no wait for an outcome.
            try await Task.sleep(for: .milliseconds(100))
        }
        for wire in trickling {
            #expect(try await wire.receive(through: "}").hasPrefix("HTTP/1.1 408 "))
        }
        try await Self.nothingIsLeft(hosts)
    }

    @Test func `half a body whose sender falls silent is refused, and its server sees no whole request`() async throws {
        var limits = ProxyLimits.patient
        limits.idle = .seconds(10)
        let hosts = try await TwoHosts(resources: ["/mcp"], limits: limits)
        let agent = try hosts.authority.svid("weather-agent")
        var halfway: [(client: Wire, server: Wire)] = []
        for wire in [try await hosts.dial(), try await hosts.dialDirectly(as: agent)] {
            try await wire.send(Self.post(10, hosts.token(for: agent)) + "half")
            let server = try await hosts.application.connection()
            try await server.receive(through: "half")
            halfway.append((wire, server))
        }
        for (wire, server) in halfway {
            #expect(try await wire.receive(through: "}").hasPrefix("HTTP/1.1 408 "))
            try await wire.inputClosed()
            #expect(try await server.end() == .reset)
        }
    }

    /// The token counts where it is not replaced: straight at the server's proxy.
    private static func post(_ length: Int, _ token: String) -> String {
        "POST /mcp HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer \(token)\r\nContent-Length: \(length)\r\n\r\n"
    }

    private static func nothingIsLeft(_ hosts: TwoHosts) async throws {
        for host in [hosts.client, hosts.server] {
            _ = try await eventually("no connection left") { host.proxy.connectionCount == 0 ? true : nil }
        }
    }

    @Test func `a body that trickles is never silent, and ends all the same; one that keeps the pace arrives`()
        async throws
    {
        var limits = ProxyLimits.patient
        limits.idle = .seconds(10)
        limits.bodyBytesPerSecond = 1000
        let hosts = try await TwoHosts(resources: ["/mcp"], limits: limits)
        let agent = try hosts.authority.svid("weather-agent")
        let head = Self.post(200_000, hosts.token(for: agent))
        var slow: [(client: Wire, server: Wire)] = []
        for wire in [try await hosts.dial(), try await hosts.dialDirectly(as: agent)] {
            try await wire.send(head)
            let server = try await hosts.application.connection()
            try await server.receive(through: "\r\n\r\n")
            slow.append((wire, server))
        }
        let steady = try await hosts.dial()
        try await steady.send(head)
        let server = try await hosts.application.connection()
        // Many times faster than asked for, and as long on its way as the slow one has.
        // The pauses are the pace; no outcome is waited for by them.
        for _ in 0..<20 {
            try await steady.send(String(repeating: "b", count: 10_000))
            try await Task.sleep(for: .milliseconds(250))
            for wire in slow.map(\.client) { try? await wire.send("a") }
        }
        // Never silent: it is for its pace that it ends.
        for _ in 0..<200 where slow.contains(where: \.client.peek.isEmpty) {
            for wire in slow.map(\.client) { try? await wire.send("a") }
            try await Task.sleep(for: .milliseconds(250))
        }
        for (wire, slowServer) in slow {
            #expect(wire.peek.hasPrefix("HTTP/1.1 408 "))
            #expect(try await slowServer.end() == .reset)
        }
        try await server.receive(through: String(repeating: "b", count: 200_000))
    }

    @Test func `each byte of a body buys time, none can be saved up, and none is needed where the pace is nought`() {
        var limits = ProxyLimits()
        limits.idle = .seconds(10)
        limits.bodyBytesPerSecond = 100
        let start = NIODeadline.uptimeNanoseconds(0)
        var pace = RequestPace(limits)
        #expect(pace.deadline == nil)
        pace.begin(at: start)
        pace.receive(50, at: start + .seconds(9))
        #expect(pace.deadline == start + .milliseconds(10_500))
        pace.receive(1_000_000, at: start + .seconds(10))
        #expect(pace.deadline == start + .seconds(20))
        limits.bodyBytesPerSecond = 0
        pace = RequestPace(limits)
        pace.begin(at: start)
        #expect(pace.deadline == nil)
    }

    @Test func `a stream of answers may be silent for as long as it likes`() async throws {
        var limits = ProxyLimits.patient
        limits.requestHead = .seconds(4)
        limits.idle = .seconds(4)
        let hosts = try await TwoHosts(resources: ["/mcp"], limits: limits)
        // A client that says nothing is closed: so long the stream has been silent by then.
        let silence = { try await hosts.dial().inputClosed() }
        let wire = try await hosts.dial()
        try await wire.send("GET /mcp HTTP/1.1\r\nHost: h\r\n\r\n")
        let server = try await hosts.application.connection()
        try await server.receive(through: "\r\n\r\n")
        try await silence()
        try await server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        try await wire.receive(through: "abc\r\n")
        try await silence()
        try await server.send("3\r\ndef\r\n0\r\n\r\n")
        try await wire.receive(through: "0\r\n\r\n")
    }
}
