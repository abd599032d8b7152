import NIOCore
import Proxy
import Testing

@Suite("HTTP lane") struct HTTPLaneTests {
    @Test func `events of a stream arrive one by one, while it is open`() async throws {
        let (_, wire, server) = try await Self.asked(
            "GET /mcp HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n")
        try await server.send(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        try await wire.receive(through: "\r\n\r\n")
        for number in 1...3 {
            let event = "event: message\r\ndata: \(number)\r\n\r\n"
            try await server.send("\(String(event.utf8.count, radix: 16))\r\n\(event)\r\n")
            try await wire.receive(through: event)
        }
        try await server.send("0\r\n\r\n")
        try await wire.receive(through: "0\r\n\r\n")
    }

    @Test func `a client that leaves a stream ends it at the server`() async throws {
        let (_, wire, server) = try await Self.asked("GET /mcp HTTP/1.1\r\nHost: h\r\n\r\n")
        try await server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        try await wire.receive(through: "abc")
        wire.close()
        // As on a direct connection: first it may only have closed its half, what is sent then is reset.
        try await server.inputClosed()
        for _ in 0..<1000 where server.channel.isActive {
            try? await server.send("3\r\nabc\r\n")
            try await Task.sleep(for: .milliseconds(2))
        }
        _ = try await server.end()
    }

    @Test func `a client that asks and closes its half is answered, however late`() async throws {
        for request in [
            "GET /mcp HTTP/1.1\r\nHost: h\r\n\r\n", "POST /mcp HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody",
        ] {
            let (_, wire, server) = try await Self.asked(request)
            try await wire.closeOutput()
            try await server.inputClosed()
            try await Task.sleep(for: .milliseconds(300))
            try await server.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nanswer")
            try await wire.receive(through: "\r\n\r\nanswer")
            #expect(try await wire.end() == .closed)
        }
    }

    @Test func `of pipelined requests all are answered to a client that closed its half`() async throws {
        let hosts = try await TwoHosts(resources: ["/mcp"])
        let wire = try await hosts.dial()
        try await wire.send("GET /mcp HTTP/1.1\r\nHost: h\r\n\r\nGET /mcp?2 HTTP/1.1\r\nHost: h\r\n\r\n")
        try await wire.closeOutput()
        let server = try await hosts.application.connection()
        for word in ["one", "two"] {
            try await server.receive(through: "\r\n\r\n")
            try await server.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n\(word)")
            try await wire.receive(through: word)
        }
        #expect(try await wire.end() == .closed)
    }

    @Test func `half a request whose sender has ended reaches the application as a reset, not as a whole one`()
        async throws
    {
        let (_, wire, server) = try await Self.asked("POST /mcp HTTP/1.1\r\nHost: h\r\nContent-Length: 40\r\n\r\nbody")
        try await wire.closeOutput()
        #expect(try await server.end() == .reset)
    }

    @Test func `header bytes pass as they are, both ways`() async throws {
        let hosts = try await TwoHosts(resources: ["/mcp"])
        let wire = try await hosts.dial()
        let header = Array("X-A: caf".utf8) + [0xe9, 0xff, 0x80] + Array("\r\n\r\n".utf8)
        try await wire.send(Array("GET /mcp HTTP/1.1\r\nHost: h\r\n".utf8) + header)
        let server = try await hosts.application.connection()
        let seen = try await server.receive(toEndOf: Array("caf".utf8) + [0xe9, 0xff, 0x80])
        #expect(seen.count > 20)
        try await server.send(Array("HTTP/1.1 200 sch\u{f6}n\r\n".unicodeScalars.map { UInt8($0.value) }))
        try await server.send(Array("Content-Length: 0\r\n".utf8) + header)
        try await wire.receive(toEndOf: [0x73, 0x63, 0x68, 0xf6, 0x6e])
        try await wire.receive(toEndOf: Array("caf".utf8) + [0xe9, 0xff, 0x80])
    }

    @Test func `an answer's trailers arrive, save those that would frame it`() async throws {
        let (_, wire, server) = try await Self.asked("GET /mcp HTTP/1.1\r\nHost: h\r\n\r\n")
        try await server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n")
        try await server.send("0\r\nX-Sum: 17\r\nContent-Length: 9\r\n\r\n")
        #expect(try await wire.receive(through: "abc\r\n").hasPrefix("HTTP/1.1 200 "))
        #expect(try await wire.receive(through: "\r\n\r\n") == "0\r\nX-Sum: 17\r\n\r\n")
    }

    @Test func `an answer nobody asked for is given to nobody`() async throws {
        let (_, wire, server) = try await Self.asked("GET /mcp HTTP/1.1\r\nHost: h\r\n\r\n")
        try await server.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        try await wire.receive(through: "\r\n\r\nok")
        try await server.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        _ = try await server.end()
        try? await wire.send("GET /mcp HTTP/1.1\r\nHost: h\r\n\r\n")
        try await wire.inputClosed()
        #expect(!wire.peek.contains("evil"))
    }

    @Test(arguments: [
        "GET /mcp?next=%2Fadmin%2F..&q=a;b HTTP/1.1\r\nHost: h\r\n\r\n",
        "POST /mcp HTTP/1.1\r\nHost: h\r\nContent-Length: \t 0 \t\r\n\r\n",
        "POST /mcp HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked ,\r\n\r\n0;name=\"v\"\r\nX-T: 1\r\n\r\n",
        "GET /mcp HTTP/1.1\r\nhost:h\r\nX-Empty:\r\n\r\n", "\r\nGET /mcp HTTP/1.1\r\nHost: h:80\r\n\r\n",
        "PROPFIND /mcp HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "GET /mcp HTTP/1.0\r\n\r\n",
        "M-SEARCH /mcp/a:b@c HTTP/1.1\r\nHost: \r\n\r\n",
    ])
    func `what is legal passes`(_ request: String) async throws {
        let (_, wire, server) = try await Self.asked(request)
        try await server.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        #expect(try await wire.receive(through: "\r\n\r\nok").hasPrefix("HTTP/1."))
    }

    @Test func `a stream that breaks off does not look finished`() async throws {
        let (_, wire, server) = try await Self.asked("GET /mcp HTTP/1.1\r\nHost: h\r\n\r\n")
        try await server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        try await wire.receive(through: "abc\r\n")
        try await server.reset()
        #expect(try await wire.end() == .reset)
        #expect(wire.peek.isEmpty)
    }

    @Test func `a pipelined second request is decided by itself`() async throws {
        let hosts = try await TwoHosts(resources: ["/mcp"])
        let wire = try await hosts.dial()
        try await wire.send(
            "GET /mcp HTTP/1.1\r\nHost: h\r\n\r\nGET /admin HTTP/1.1\r\nHost: h\r\n\r\nGET /mcp HTTP/1.1\r\nHost: h\r\n\r\n"
        )
        let server = try await hosts.application.connection()
        try await server.receive(through: "\r\n\r\n")
        #expect(server.peek.isEmpty)
        try await server.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none")
        try await wire.receive(through: "one")
        #expect(try await wire.receive(through: "}").hasPrefix("HTTP/1.1 403 "))
        try await server.receive(through: "\r\n\r\n")
        try await server.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nthree")
        try await wire.receive(through: "three")
        #expect(hosts.desk.introspections.count == 2)
    }

    @Test(arguments: [
        "Content-Length: 4\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "Content-Length: 4\r\nContent-Length: 5", "Content-Length: 4, 4", "Content-Length: +4",
        "Transfer-Encoding: chunked, identity", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Transfer-Encoding : chunked",
        "Host: second.example", "X: a\rY: b", "Content-Length: 4\r\n Transfer-Encoding: chunked",
    ])
    func `a request two parsers could read in two ways reaches no application`(_ header: String) async throws {
        let hosts = try await TwoHosts(resources: ["/mcp"])
        let agent = try hosts.authority.svid("weather-agent")
        let token = "Authorization: Bearer \(hosts.token(for: agent))\r\n"
        for wire in [try await hosts.dial(), try await hosts.dialDirectly(as: agent)] {
            try await wire.send(
                "POST /mcp HTTP/1.1\r\nHost: h\r\n\(token)\(header)\r\n\r\n0\r\n\r\nGET /admin HTTP/1.1\r\n\r\n")
            let answer = try await wire.receive(through: "}")
            #expect(answer.hasPrefix("HTTP/1.1 400 ") || answer.hasPrefix("HTTP/1.1 501 "))
            #expect(answer.contains("connection: close"))
            try await wire.inputClosed()
            #expect(wire.peek.isEmpty)
        }
        #expect(hosts.applicationIsUntouched && hosts.desk.introspections.isEmpty)
    }

    @Test func `chunks split anywhere are the same body`() async throws {
        let hosts = try await TwoHosts(resources: ["/mcp"])
        let wire = try await hosts.dial()
        let request =
            "POST /mcp HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nget_fo\r\n6\r\nrecast\r\n0\r\n\r\n"
        for byte in request.utf8 { try await wire.send([byte]) }
        let server = try await hosts.application.connection()
        let head = try await server.receive(through: "\r\n\r\n")
        #expect(head.lowercased().contains("transfer-encoding: chunked"))
        let body = try await server.receive(through: "0\r\n\r\n")
        let words = body.split(separator: "\r\n").enumerated().filter { $0.offset % 2 == 1 }.map(\.element).joined()
        #expect(words == "get_forecast")
    }

    @Test func `a client that waits for 100 Continue gets the server's own`() async throws {
        let (_, wire, server) = try await Self.asked(
            "POST /mcp HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
        )
        try await server.send("HTTP/1.1 100 Continue\r\n\r\n")
        try await wire.receive(through: "100 Continue\r\n\r\n")
        try await wire.send("body")
        try await server.receive(through: "body")
        try await server.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        try await wire.receive(through: "\r\n\r\nok")
    }

    @Test func `answers without a body stay without one`() async throws {
        let (_, wire, server) = try await Self.asked("HEAD /mcp HTTP/1.1\r\nHost: h\r\n\r\n")
        try await server.send("HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n")
        let head = try await wire.receive(through: "\r\n\r\n")
        #expect(head.lowercased().contains("content-length: 42"))
        for status in ["204 No Content", "304 Not Modified"] {
            try await wire.send("GET /mcp HTTP/1.1\r\nHost: h\r\n\r\n")
            try await server.receive(through: "\r\n\r\n")
            try await server.send("HTTP/1.1 \(status)\r\n\r\n")
            #expect(try await wire.receive(through: "\r\n\r\n").hasPrefix("HTTP/1.1 \(status)\r\n"))
        }
        #expect(wire.peek.isEmpty)
    }

    @Test func `an answer that ends with the connection is given an end of its own`() async throws {
        let (_, wire, server) = try await Self.asked("GET /mcp HTTP/1.1\r\nHost: h\r\n\r\n")
        try await server.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it")
        server.close()
        let head = try await wire.receive(through: "\r\n\r\n").lowercased()
        #expect(head.contains("transfer-encoding: chunked") && head.contains("connection: close"))
        try await wire.receive(through: "all of it\r\n0\r\n\r\n")
        try await wire.inputClosed()
    }

    @Test func `a client that asks to close is obeyed at both ends`() async throws {
        let (_, wire, server) = try await Self.asked("GET /mcp HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        try await server.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        try await wire.receive(through: "\r\n\r\nok")
        try await wire.inputClosed()
        try await server.inputClosed()
    }

    @Test func `an upgrade is not passed on`() async throws {
        let (_, wire, server) = try await Self.asked(
            "GET /mcp HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
        ) { head in #expect(!head.lowercased().contains("upgrade")) }
        try await server.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
        #expect(try await wire.receive(through: "}").hasPrefix("HTTP/1.1 502 "))
    }

    @Test(arguments: [
        ("CONNECT evil.example:80 HTTP/1.1\r\nHost: h\r\n\r\n", "501"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"),
        ("GET /mcp HTTP/1.1\r\n\r\n", "400"),
        ("GET http://h/mcp HTTP/1.1\r\nHost: h\r\n\r\n", "400"),
        ("\u{16}\u{3}\u{1}", "400"),
        ("GET /mcp HTTP/1.1\r\nHost: h\r\nX: \(String(repeating: "x", count: 70_000))\r\n\r\n", "431"),
    ])
    func `what is no ordinary request is refused`(_ request: String, _ status: String) async throws {
        let hosts = try await TwoHosts(resources: ["/mcp"])
        let wire = try await hosts.dial()
        try await wire.send(request)
        #expect(try await wire.receive(through: "}").hasPrefix("HTTP/1.1 \(status) "))
        #expect(hosts.applicationIsUntouched)
    }

    @Test func `a server that breaks off before it answers is a 502`() async throws {
        let (_, wire, server) = try await Self.asked("GET /mcp HTTP/1.1\r\nHost: h\r\n\r\n")
        server.close()
        #expect(try await wire.receive(through: "}").hasPrefix("HTTP/1.1 502 "))
    }

    @Test func `an application that is down is a 502, and the connection lives on`() async throws {
        let hosts = try await TwoHosts(resources: ["/mcp"])
        try await hosts.application.stop()
        let wire = try await hosts.dial()
        for _ in 1...2 {
            try await wire.send("GET /mcp HTTP/1.1\r\nHost: h\r\n\r\n")
            #expect(try await wire.receive(through: "}").hasPrefix("HTTP/1.1 502 "))
        }
    }

    @Test func `four megabytes of body arrive, both ways, over one connection`() async throws {
        let (_, wire, server) = try await Self.asked("POST /mcp HTTP/1.1\r\nHost: h\r\nContent-Length: 4194304\r\n\r\n")
        let bytes = [UInt8](repeating: 7, count: 4 << 20)
        try await wire.send(bytes)
        #expect(try await server.receive(count: bytes.count) == bytes)
        try await server.send("HTTP/1.1 200 OK\r\nContent-Length: 4194304\r\n\r\n")
        try await server.send(bytes)
        try await wire.receive(through: "\r\n\r\n")
        #expect(try await wire.receive(count: bytes.count) == bytes)
    }

    @Test func `a withdrawn workload's stream is cut`() async throws {
        let (hosts, wire, server) = try await Self.asked("GET /mcp HTTP/1.1\r\nHost: h\r\n\r\n")
        try await server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        try await wire.receive(through: "abc\r\n")
        hosts.client.routes.change { $0.expected = hosts.agent }
        #expect(hosts.client.proxy.reevaluate() == 1)
        #expect(try await wire.end() == .reset)
        _ = try await server.end()
    }

    /// A request that has reached the application.
    private static func asked(
        _ request: String, head check: (String) -> Void = { _ in },
    ) async throws -> (TwoHosts, client: Wire, server: Wire) {
        let hosts = try await TwoHosts(resources: ["/mcp"])
        let wire = try await hosts.dial()
        try await wire.send(request)
        let server = try await hosts.application.connection()
        check(try await server.receive(through: "\r\n\r\n"))
        return (hosts, wire, server)
    }
}
