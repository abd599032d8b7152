import AuthorizationServer
import Foundation
import SPIFFE
import Testing

@Suite("Token endpoint")
struct TokenTests {
    let bench: Bench
    let certificate: CertificateIdentity

    init() async throws {
        bench = try Bench()
        certificate = try bench.certificate("weather-agent")
        for client in ["weather-agent", "reader", "news-server"] {
            _ = try await bench.register("{}", client: bench.certificate(client))
        }
    }

    private func claims(_ answer: Answer) throws -> [String: JSONValue] {
        let jws = try JWS(parsing: #require(answer["access_token"]?.string))
        #expect(jws.type == "at+jwt")
        #expect(jws.keyID == bench.tokenKey.id)
        return jws.claims
    }

    @Test func `a token is for one resource, bound to the certificate, and says what RFC 9068 wants`() async throws {
        let answer = try await bench.requestToken([("resource", Bench.weather)], client: certificate)
        #expect(answer.outcome == "200 ok")
        #expect(answer["token_type"] == "Bearer")
        #expect(answer["expires_in"] == 120)
        #expect(answer["scope"] == "weather:read weather:write")
        #expect(answer.headers["Cache-Control"] == "no-store")
        #expect(Set(answer.members.keys) == ["access_token", "token_type", "expires_in", "scope"])
        let claims = try claims(answer)
        let token = try #require(await bench.records.tokens.values.first)
        #expect(
            claims == [
                "aud": .string(Bench.weather), "client_id": "spiffe://td/weather-agent",
                "cnf": ["x5t#S256": .string(certificate.thumbprint.base64URL)],
                "exp": 1_800_000_120, "iat": 1_800_000_000, "iss": .string(Bench.issuer), "jti": .string(token.id),
                "scope": "weather:read weather:write", "sub": "spiffe://td/weather-agent",
            ])
    }

    @Test func `what cannot be told is not done`() async throws {
        let token = try await bench.token()
        let known = await bench.records.tokens
        await bench.records.change { $0.journalFails = true }
        #expect(
            try await bench.requestToken([("resource", Bench.weather)], client: certificate).outcome
                == "500 server_error")
        #expect(
            try await bench.post(
                "/revoke", [("token", token), ("client_id", "spiffe://td/weather-agent")], client: certificate
            )
            .outcome == "500 server_error")
        #expect(await bench.records.tokens == known)
        let empty = try Bench()
        await empty.records.change { $0.journalFails = true }
        #expect(try await empty.register("{}", client: certificate).outcome == "500 server_error")
        #expect(await empty.records.clients.isEmpty)
    }

    @Test func `issuing is journalled with all that ties the token to its SVID`() async throws {
        _ = try await bench.requestToken([("resource", Bench.weather)], client: certificate)
        let token = try #require(await bench.records.tokens.values.first)
        let event = try #require(await bench.records.events.last)
        #expect(event.kind == .tokenIssued)
        #expect(event.caller == certificate.spiffeID)
        #expect(event.method == .x509)
        #expect(event.tokenID == token.id)
        #expect(event.resource == Bench.weather)
        #expect(event.thumbprint == certificate.thumbprint)
        #expect(event.svidSerial == "01")
    }

    @Test func `without a resource the only allowed one is meant, and several are an error`() async throws {
        let reader = try bench.certificate("reader")
        #expect(try claims(await bench.requestToken([], client: reader))["aud"] == .string(Bench.news))
        #expect(try await bench.requestToken([], client: certificate).outcome == "400 invalid_target")
        #expect(
            try await bench.requestToken([], client: bench.certificate("news-server")).outcome == "400 invalid_target")
    }

    @Test(arguments: [
        "http://unknown.example/mcp", "http://weather.example:8000/mcp#x", "http://weather.example:8000/mcp/",
        "http://weather.example:8000/MCP", "HTTP://weather.example:8000/mcp", "http://weather.example:8000", "weather",
        "*",
    ])
    func `a resource that is not exactly a declared one is refused`(_ resource: String) async throws {
        #expect(
            try await bench.requestToken([("resource", resource)], client: certificate).outcome == "400 invalid_target")
    }

    @Test func `a client that is not in the resource's list gets nothing`() async throws {
        let answer = try await bench.requestToken([("resource", Bench.weather)], client: bench.certificate("reader"))
        #expect(answer.outcome == "400 invalid_target")
        #expect(await bench.records.tokens.isEmpty)
    }

    @Test func `two resources in one token are refused, the same one twice is not`() async throws {
        let two = [("resource", Bench.weather), ("resource", Bench.news)]
        #expect(try await bench.requestToken(two, client: certificate).outcome == "400 invalid_target")
        let twice = [("resource", Bench.weather), ("resource", Bench.weather)]
        #expect(try await bench.requestToken(twice, client: certificate).outcome == "200 ok")
    }

    @Test func `a narrower scope is given and a stranger one refused`() async throws {
        let target = ("resource", Bench.weather)
        let narrow = try await bench.requestToken([target, ("scope", "weather:read")], client: certificate)
        #expect(narrow["scope"] == "weather:read")
        #expect(try claims(narrow)["scope"] == "weather:read")
        for scope in [
            "admin", "weather:read admin", "news:read", "WEATHER:READ", "weather:read  weather:write", " weather:read",
        ] {
            let answer = try await bench.requestToken([target, ("scope", scope)], client: certificate)
            #expect(answer.outcome == "400 invalid_scope", "\(scope)")
        }
    }

    @Test(arguments: [
        "authorization_code", "refresh_token", "password", "urn:ietf:params:oauth:grant-type:token-exchange", "x",
    ])
    func `another grant is not supported`(_ grant: String) async throws {
        let fields = [("grant_type", grant), ("client_id", "spiffe://td/weather-agent"), ("resource", Bench.weather)]
        #expect(try await bench.post("/token", fields, client: certificate).outcome == "400 unsupported_grant_type")
    }

    @Test func `a missing grant and a parameter twice are invalid requests`() async throws {
        let named = [("client_id", "spiffe://td/weather-agent")]
        #expect(try await bench.post("/token", named, client: certificate).outcome == "400 invalid_request")
        let twice = [("scope", "weather:read"), ("scope", "weather:read")]
        #expect(try await bench.requestToken(twice, client: certificate).outcome == "400 invalid_request")
    }

    @Test func `a token never outlives the certificate it is bound to`() async throws {
        let target = [("resource", Bench.weather)]
        for (life, expected) in [(1000.0, 300), (120, 120), (59.9, 59), (1, 1)] {
            let answer = try await bench.requestToken(target, client: bench.certificate("weather-agent", life: life))
            #expect(answer["expires_in"] == .integer(Int64(expected)))
        }
        let ending = try bench.certificate("weather-agent", life: 0.5)
        #expect(try await bench.requestToken(target, client: ending).outcome == "401 invalid_client")
    }

    private func assertionFields() throws -> [(String, String)] {
        [
            ("grant_type", "client_credentials"), ("resource", Bench.weather),
            ("client_assertion_type", Bench.jwtSpiffe), ("client_assertion", try bench.assertion()),
        ]
    }

    @Test func `spiffe_jwt without a certificate would be unbound and is refused`() async throws {
        #expect(try await bench.post("/token", assertionFields()).outcome == "401 invalid_client")
    }

    @Test func `spiffe_jwt over the client's own certificate is bound to it and says the same as spiffe_x509`()
        async throws
    {
        let byJWT = try claims(await bench.post("/token", assertionFields(), client: certificate))
        let byX509 = try claims(await bench.requestToken([("resource", Bench.weather)], client: certificate))
        #expect(byJWT["cnf"] == ["x5t#S256": .string(certificate.thumbprint.base64URL)])
        for name in ["sub", "client_id", "aud", "scope", "cnf", "exp"] {
            #expect(byJWT[name] == byX509[name], "\(name)")
        }
    }

    @Test func `an unbound token needs the policy and does not outlive the assertion`() async throws {
        let bench = try Bench(unbound: true)
        _ = try await bench.register("{}", client: bench.certificate("weather-agent"))
        let answer = try await bench.post(
            "/token",
            [
                ("grant_type", "client_credentials"), ("resource", Bench.weather),
                ("client_assertion_type", Bench.jwtSpiffe), ("client_assertion", try bench.assertion()),
            ])
        #expect(answer["expires_in"] == 60)
        #expect(try JWS(parsing: #require(answer["access_token"]?.string)).claims["cnf"] == nil)
    }

    @Test func `an unregistered workload gets nothing unless first use registers it`() async throws {
        let strict = try Bench()
        let target = [("resource", Bench.weather)]
        #expect(
            try await strict.requestToken(target, client: strict.certificate("weather-agent")).outcome
                == "401 invalid_client")
        let open = try Bench(firstUse: true)
        #expect(try await open.requestToken(target, client: open.certificate("weather-agent")).outcome == "200 ok")
        #expect(try await open.requestToken(target, client: open.certificate("weather-agent")).outcome == "200 ok")
        #expect(await open.records.events.map(\.kind) == [.clientRegistered, .tokenIssued, .tokenIssued])
        #expect(
            try await open.requestToken(target, client: open.certificate("stranger")).outcome == "401 invalid_client")
    }

    @Test func `a deleted identity gets no further token though its SVID is valid`() async throws {
        let id = certificate.spiffeID
        await bench.records.change { $0.active.remove(id) }
        #expect(
            try await bench.requestToken([("resource", Bench.weather)], client: certificate).outcome
                == "401 invalid_client")
    }

    @Test func `a token that can not be journalled is not handed out`() async throws {
        await bench.records.change { $0.journalFails = true }
        let answer = try await bench.requestToken([("resource", Bench.weather)], client: certificate)
        #expect(answer.outcome == "500 server_error")
        #expect(answer["access_token"] == nil)
    }
}
