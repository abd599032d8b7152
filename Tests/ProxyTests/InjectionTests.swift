import Gateway
import Proxy
import SPIFFE
import Synchronization
import Testing
import Workloads

@Suite("Token injection") struct InjectionTests {
    private static let get = "GET /mcp HTTP/1.1\r\nHost: server.example:8000\r\n"

    @Test func `a token is added once, whatever the application sent, and the server's application never sees it`()
        async throws
    {
        let hosts = try await TwoHosts(resources: ["/mcp"])
        let wire = try await hosts.dial()
        try await wire.send(Self.get + "Authorization: Bearer mine\r\nauthorization: Basic eDp5\r\n\r\n")
        let server = try await hosts.application.connection()
        let seen = try await server.receive(through: "\r\n\r\n").lowercased()
        #expect(!seen.contains("authorization") && !seen.contains("token."))
        #expect(seen.contains("x-tidemark-peer: \(hosts.agent)\r\n"))
        #expect(seen.contains("host: server.example:8000\r\n"))
        try await server.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        try await wire.receive(through: "\r\n\r\nok")

        let sent = try await hosts.client.journal.entry(.requestOutbound, allowed: true)
        let checked = try await hosts.server.journal.entry(.requestInbound, allowed: true)
        #expect(sent.tokenID != nil && sent.tokenID == checked.tokenID)
        #expect(sent.connection == checked.connection && sent.resource == "http://server.example:8000/mcp")
        #expect(hosts.desk.introspections.count == 1)
        // To whom it is accounted.
        #expect(hosts.desk.bearers.withLock { $0 } == [TokenBearer(peer: hosts.agent, address: [127, 0, 0, 1])])
    }

    @Test(arguments: ["X-Tidemark-Peer", "x-tidemark-peer", "X-TIDEMARK-PEER"])
    func `a forged caller is replaced by the real one`(_ spelling: String) async throws {
        let hosts = try await TwoHosts(resources: ["/mcp"])
        let agent = try hosts.authority.svid("weather-agent")
        let wire = try await hosts.dialDirectly(as: agent)
        let token = hosts.token(for: agent)
        try await wire.send(
            Self.get + "\(spelling): spiffe://prod.example/admin\r\nAuthorization: Bearer \(token)\r\n\r\n")
        let seen = try await hosts.application.connection().receive(through: "\r\n\r\n").lowercased()
        #expect(!seen.contains("admin"))
        #expect(seen.contains("\r\nx-tidemark-peer: \(hosts.agent)\r\n"))
    }

    @Test(arguments: [
        "X_Tidemark_Peer: spiffe://prod.example/admin", "X-TIDEMARK_PEER: a", "Transfer_Encoding: chunked",
        "Content_Length: 0", "Mcp_Session_Id: s",
    ])
    func `a header that servers fold onto another one is refused at both ends, with the rule`(
        _ header: String
    ) async throws {
        let hosts = try await TwoHosts(resources: ["/mcp"])
        let agent = try hosts.authority.svid("weather-agent")
        let token = "Authorization: Bearer \(hosts.token(for: agent))\r\n"
        for wire in [try await hosts.dial(), try await hosts.dialDirectly(as: agent)] {
            let answer = try await Self.ask(wire, token + header + "\r\n")
            #expect(answer.hasPrefix("HTTP/1.1 400 ") && answer.contains("is read as"))
        }
        #expect(hosts.applicationIsUntouched)
    }

    @Test(arguments: ["Mcp_Session_Id: s", "x_tidemark_peer: a", "Content_Length: 0"])
    func `a trailer that servers fold onto a header is refused at both ends, with the rule`(
        _ trailer: String
    ) async throws {
        let hosts = try await TwoHosts(resources: ["/mcp"])
        let agent = try hosts.authority.svid("weather-agent")
        for wire in [try await hosts.dial(), try await hosts.dialDirectly(as: agent)] {
            try await wire.send(
                "POST /mcp HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer \(hosts.token(for: agent))\r\n"
                    + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
            let server = try await hosts.application.connection()
            try await server.receive(through: "3\r\nabc\r\n")
            try await wire.send("0\r\n\(trailer)\r\n\r\n")
            let answer = try await wire.receive(through: "}")
            #expect(answer.hasPrefix("HTTP/1.1 400 ") && answer.contains("is read as"))
            #expect(try await server.end() == .reset)
            #expect(server.peek.isEmpty)
        }
    }

    @Test func `of one service's resources at two addresses each serves its own`() async throws {
        let hosts = try await TwoHosts()
        var urls: [String: String] = [:]
        for (loopback, host) in [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")] {
            let url = try ResourceURL(checking: "http://\(host):8000/mcp")
            let resource = ProtectedResource(
                name: "weather-\(host)", resource: url, servedBy: "weather-mcp-server", scopes: [], allowed: [])
            for host in [hosts.client, hosts.server] { host.routes.change { $0.resources.append(resource) } }
            urls[loopback] = url.text
        }
        for (loopback, url) in urls {
            let wire = try await hosts.dial(over: loopback)
            try await wire.send(Self.get + "\r\n")
            let server = try await hosts.application.connection()
            try await server.receive(through: "\r\n\r\n")
            #expect(hosts.client.journal.all.last { $0.kind == .requestOutbound }?.resource == url)
            #expect(hosts.server.journal.all.last { $0.kind == .requestInbound }?.resource == url)
        }
    }

    @Test(arguments: ["GET", "DELETE", "POST"])
    func `who forwarded a request is not for a peer to say`(_ method: String) async throws {
        let hosts = try await TwoHosts(resources: ["/mcp"])
        let agent = try hosts.authority.svid("weather-agent")
        let wire = try await hosts.dialDirectly(as: agent)
        try await wire.send(
            "\(method) /mcp HTTP/1.1\r\nHost: h\r\nForwarded: for=192.0.2.1\r\nX-Forwarded-For: 192.0.2.1\r\nX-Real-IP: 192.0.2.1"
                + "\r\nContent-Length: 0\r\nAuthorization: Bearer \(hosts.token(for: agent))\r\n\r\n")
        let seen = try await hosts.application.connection().receive(through: "\r\n\r\n").lowercased()
        #expect(!seen.contains("192.0.2.1") && seen.contains("content-length: 0\r\n"))
    }

    /// What only the host's own people are to know, and how it comes about.
    struct Internals: Sendable, CustomTestStringConvertible {
        let code: String
        let status: Int
        /// A part of the reason that the journal has.
        let secret: String
        let cause: @Sendable (TwoHosts) async throws -> Void

        var testDescription: String { code }
    }

    private static let internals = [
        Internals(code: "upstream_failed", status: 502, secret: "127.0.0.1") { try await $0.application.stop() },
        Internals(code: "temporarily_unavailable", status: 503, secret: "control-plane.internal") { hosts in
            hosts.desk.silence.withLock { $0 = TimedOut(description: "control-plane.internal does not answer") }
        },
        Internals(code: "peer_refused", status: 403, secret: "allowedSPIFFEIDs") { hosts in
            let nobody = PeerPolicy(
                trustDomain: hosts.authority.trustDomain, allowed: [try SPIFFEIDPattern("spiffe://prod.example/admin")])
            hosts.server.routes.change { $0.inboundPeers = nobody }
        },
        Internals(code: "resource_ambiguous", status: 403, secret: "twin-of-weather") { hosts in
            let twin = try TwoHosts.resource("/mcp", name: "twin-of-weather")
            hosts.server.routes.change { $0.resources.append(twin) }
        },
    ]

    @Test(arguments: internals)
    func `a peer is told a code and no internals, the journal the reason`(_ told: Internals) async throws {
        let hosts = try await TwoHosts(resources: ["/mcp"])
        let agent = try hosts.authority.svid("weather-agent")
        let wire = try await hosts.dialDirectly(as: agent)
        // Once the handshake is over: what is refused then is a request.
        _ = try await Self.ask(wire, "")
        try await told.cause(hosts)
        let answer = try await Self.ask(wire, "Authorization: Bearer \(hosts.token(for: agent))\r\n")
        #expect(answer.contains("HTTP/1.1 \(told.status) ") && answer.contains(told.code))
        #expect(!answer.contains(told.secret) && !answer.contains("errno"))
        #expect(answer.contains("ask who runs the called workload"))
        let refused = hosts.server.journal.all.filter { $0.kind == .requestInbound && !$0.allowed }
        #expect(refused.count == 2 && refused.last?.reason.contains(told.secret) == true)
    }

    @Test func `what a resource strips reaches its application neither as a header nor as a trailer`() async throws {
        let hosts = try await TwoHosts()
        let resource = try TwoHosts.resource("/mcp", stripping: ["X-Tenant"])
        hosts.server.routes.change { $0.resources = [resource] }
        let agent = try hosts.authority.svid("weather-agent")
        let wire = try await hosts.dialDirectly(as: agent)
        try await wire.send(
            "POST /mcp HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer \(hosts.token(for: agent))\r\n"
                + "X-Tenant: in-a-header\r\nX-City: Bergen\r\nTransfer-Encoding: chunked\r\n\r\n"
                + "3\r\nabc\r\n0\r\nx_tenant: in-a-trailer\r\nX-Sum: 17\r\n\r\n")
        let server = try await hosts.application.connection()
        let head = try await server.receive(through: "\r\n\r\n")
        #expect(head.contains("X-City: Bergen") && !head.contains("in-a-header"))
        #expect(try await server.receive(through: "\r\n\r\n") == "3\r\nabc\r\n0\r\nX-Sum: 17\r\n\r\n")
    }

    @Test func `a stolen token is worth nothing over another certificate`() async throws {
        let hosts = try await TwoHosts(resources: ["/mcp"])
        let token = hosts.token(for: try hosts.authority.svid("weather-agent"))
        let thief = try await hosts.dialDirectly(as: hosts.authority.svid("thief"))
        let answer = try await Self.ask(thief, "Authorization: Bearer \(token)\r\n")
        #expect(answer.hasPrefix("HTTP/1.1 401 ") && answer.contains("belongs to another workload"))
        #expect(hosts.applicationIsUntouched)
    }

    @Test func `a token bound to an older certificate of the same workload is refused`() async throws {
        let hosts = try await TwoHosts(resources: ["/mcp"])
        let token = hosts.token(for: try hosts.authority.svid("weather-agent"))
        let wire = try await hosts.dialDirectly(as: hosts.authority.svid("weather-agent"))
        let answer = try await Self.ask(wire, "Authorization: Bearer \(token)\r\n")
        #expect(answer.hasPrefix("HTTP/1.1 401 ") && answer.contains("not bound to the certificate"))
        #expect(answer.contains("www-authenticate: Bearer error=\"invalid_token\""))
        let entry = try await hosts.server.journal.entry(.requestInbound, allowed: false)
        #expect(entry.tokenID != nil && entry.peer == hosts.agent)
    }

    @Test func `a token for another audience, and one without the scope, are refused`() async throws {
        let hosts = try await TwoHosts(resources: ["/mcp"])
        let agent = try hosts.authority.svid("weather-agent")
        let wire = try await hosts.dialDirectly(as: agent)
        let other = hosts.desk.issue(audience: "http://server.example:8000/other", scopes: ["forecast"], svid: agent)
        #expect(try await Self.ask(wire, "Authorization: Bearer \(other.value)\r\n").hasPrefix("HTTP/1.1 401 "))
        let weak = hosts.desk.issue(audience: "http://server.example:8000/mcp", scopes: [], svid: agent)
        let answer = try await Self.ask(wire, "Authorization: Bearer \(weak.value)\r\n")
        #expect(answer.hasPrefix("HTTP/1.1 403 ") && answer.contains("error=\"insufficient_scope\""))
        #expect(hosts.applicationIsUntouched)
    }

    @Test func `a revoked token is refused at the next request of the same connection`() async throws {
        let hosts = try await TwoHosts(resources: ["/mcp"])
        let agent = try hosts.authority.svid("weather-agent")
        let wire = try await hosts.dialDirectly(as: agent)
        let token = hosts.desk.issue(audience: "http://server.example:8000/mcp", scopes: ["forecast"], svid: agent)
        try await wire.send(Self.get + "Authorization: Bearer \(token.value)\r\n\r\n")
        let server = try await hosts.application.connection()
        try await server.receive(through: "\r\n\r\n")
        try await server.send("HTTP/1.1 204 No Content\r\n\r\n")
        try await wire.receive(through: "204 No Content\r\n\r\n")
        hosts.desk.revoke(token)
        #expect(try await Self.ask(wire, "Authorization: Bearer \(token.value)\r\n").hasPrefix("HTTP/1.1 401 "))
        #expect(server.peek.isEmpty)
    }

    @Test func `no token, and two tokens, are refused`() async throws {
        let hosts = try await TwoHosts(resources: ["/mcp"])
        let agent = try hosts.authority.svid("weather-agent")
        let wire = try await hosts.dialDirectly(as: agent)
        let bare = try await Self.ask(wire, "")
        #expect(bare.hasPrefix("HTTP/1.1 401 ") && bare.contains("www-authenticate: Bearer\r\n"))
        let token = "Authorization: Bearer \(hosts.token(for: agent))\r\n"
        #expect(try await Self.ask(wire, token + token).hasPrefix("HTTP/1.1 400 "))
        #expect(hosts.desk.introspections.isEmpty)
    }

    @Test func `plain text at a permissive listener does not reach a protected resource`() async throws {
        let hosts = try await TwoHosts(resources: ["/mcp"])
        hosts.server.routes.change { $0.tlsMode = .permissive }
        let wire = try await Wire.connect(to: hosts.destination)
        let token = hosts.token(for: try hosts.authority.svid("weather-agent"))
        let answer = try await Self.ask(wire, "Authorization: Bearer \(token)\r\n")
        #expect(answer.hasPrefix("HTTP/1.1 401 ") && answer.contains("plain text"))
    }

    @Test(arguments: [
        ("/other", 403), ("/mcpx", 403), ("/", 403), ("/mcp;x", 400), ("/mcp/../admin", 400), ("/mcp%2f..", 400),
        ("//mcp", 400), ("/%6dcp", 400), ("/mcp/./x", 400),
    ])
    func `a path no resource covers is refused at both ends`(_ path: String, _ status: Int) async throws {
        let hosts = try await TwoHosts(resources: ["/mcp"])
        let request = "GET \(path) HTTP/1.1\r\nHost: h\r\n"
        let wire = try await hosts.dial()
        try await wire.send(request + "\r\n")
        #expect(try await wire.receive(through: "}").hasPrefix("HTTP/1.1 \(status) "))

        let agent = try hosts.authority.svid("weather-agent")
        let direct = try await hosts.dialDirectly(as: agent)
        try await direct.send(request + "Authorization: Bearer \(hosts.token(for: agent))\r\n\r\n")
        #expect(try await direct.receive(through: "}").hasPrefix("HTTP/1.1 \(status) "))
        #expect(hosts.desk.introspections.isEmpty)
        #expect(hosts.applicationIsUntouched)
    }

    @Test func `a refusal of the authorization server reaches the application, and the connection lives on`()
        async throws
    {
        let hosts = try await TwoHosts(resources: ["/mcp"])
        let wire = try await hosts.dial()
        hosts.desk.failure.withLock {
            $0 = Refusal(status: 403, .tokenRefused, error: "access_denied", reason: "not allowed", remedy: "ask")
        }
        let body = "POST /mcp HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody"
        try await wire.send(body)
        let answer = try await wire.receive(through: "}")
        #expect(answer.hasPrefix("HTTP/1.1 403 ") && answer.contains("\"error\":\"access_denied\""))
        hosts.desk.failure.withLock { $0 = nil }
        try await wire.send(body)
        #expect(try await hosts.application.connection().receive(through: "body").hasPrefix("POST /mcp"))
    }

    @Test func `a peer that is refused is told in HTTP`() async throws {
        let hosts = try await TwoHosts(resources: ["/mcp"])
        let other = try SPIFFEID("spiffe://prod.example/somebody-else")
        hosts.client.routes.change { $0.expected = other }
        let answer = try await Self.ask(hosts.dial(), "")
        #expect(answer.hasPrefix("HTTP/1.1 403 ") && answer.contains("where \(other) is expected"))
        _ = try await hosts.client.journal.entry(.connectionOutbound, allowed: false)
    }

    @Test func `a peer that may not be spoken to any more is refused at the next request of the open connection`()
        async throws
    {
        let hosts = try await TwoHosts(resources: ["/mcp"])
        let wire = try await hosts.dial()
        try await wire.send(Self.get + "\r\n")
        let server = try await hosts.application.connection()
        try await server.receive(through: "\r\n\r\n")
        try await server.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        try await wire.receive(through: "\r\n\r\nok")
        // Nobody has looked at live connections yet.
        let other = try SPIFFEID("spiffe://prod.example/somebody-else")
        hosts.client.routes.change { $0.expected = other }
        let answer = try await Self.ask(wire, "")
        #expect(answer.hasPrefix("HTTP/1.1 403 ") && answer.contains("where \(other) is expected"))
        #expect(server.peek.isEmpty && hosts.application.waiting == 0 && hosts.desk.introspections.count == 1)
    }

    @Test func `after the SVID was renewed the next request goes over a connection with the new one`() async throws {
        let hosts = try await TwoHosts(resources: ["/mcp"])
        let wire = try await hosts.dial()
        try await wire.send(Self.get + "\r\n")
        let first = try await hosts.application.connection()
        try await first.receive(through: "\r\n\r\n")
        let renewed = try hosts.authority.svid("weather-agent")
        hosts.client.svids.hold(renewed)
        try await first.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        try await wire.receive(through: "ok")
        try await wire.send(Self.get + "\r\n")
        let second = try await hosts.application.connection()
        try await second.receive(through: "\r\n\r\n")
        try await second.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnew")
        try await wire.receive(through: "new")
        #expect(hosts.client.journal.all.last { $0.kind == .requestOutbound }?.svidSerial == renewed.serialNumber)
    }

    private static func ask(_ wire: Wire, _ headers: String) async throws -> String {
        try await wire.send(get + headers + "\r\n")
        return try await wire.receive(through: "}")
    }
}

extension TwoHosts {
    func token(for svid: X509SVID) -> String {
        desk.issue(audience: "http://server.example:8000/mcp", scopes: ["forecast"], svid: svid).value
    }
}
