import AuthorizationServer
import Crypto
import Foundation
import SPIFFE
import Testing
import Workloads

@Suite("Introspection and revocation")
struct IntrospectionTests {
    let bench: Bench
    let token: String
    static let inactive: [String: JSONValue] = ["active": false]

    init() async throws {
        bench = try Bench()
        token = try await bench.token()
    }

    private func status(
        _ token: String? = nil, as server: String = "weather-mcp-server"
    ) async throws -> [String: JSONValue] {
        let answer = try await bench.introspect(token ?? self.token, as: server)
        #expect(answer.status == 200)
        #expect(answer.headers["Cache-Control"] == "no-store")
        return answer.members
    }

    private func revoke(_ token: String, as client: String = "weather-agent") async throws -> Answer {
        let fields = [("token", token), ("client_id", try Bench.id(client).description)]
        return try await bench.post("/revoke", fields, client: bench.certificate(client))
    }

    @Test func `the workload that serves the resource hears all of a valid token`() async throws {
        let jti = try #require(await bench.records.tokens.keys.first)
        let thumbprint = try bench.certificate("weather-agent").thumbprint.base64URL
        #expect(
            try await status() == [
                "active": true, "aud": .string(Bench.weather), "client_id": "spiffe://td/weather-agent",
                "cnf": ["x5t#S256": .string(thumbprint)], "exp": 1_800_000_120, "iat": 1_800_000_000,
                "iss": .string(Bench.issuer), "jti": .string(jti), "scope": "weather:read weather:write",
                "sub": "spiffe://td/weather-agent", "token_type": "Bearer",
            ])
    }

    @Test func `a JWT-SVID serves as the caller's credential too`() async throws {
        let credential = [
            ("client_assertion_type", Bench.jwtSpiffe), ("client_assertion", try bench.assertion("weather-mcp-server")),
        ]
        let answer = try await bench.post("/introspect", credential + [("token", token)])
        #expect(answer["active"] == true)
    }

    @Test func `without a valid SVID nobody hears anything`() async throws {
        #expect(try await bench.post("/introspect", [("token", token)]).outcome == "401 invalid_client")
        let forged = [
            ("client_assertion_type", Bench.jwtSpiffe),
            ("client_assertion", try bench.assertion("weather-mcp-server", key: .init())), ("token", token),
        ]
        #expect(try await bench.post("/introspect", forged).outcome == "401 invalid_client")
        #expect(try await bench.introspect(token, as: "stranger").outcome == "401 invalid_client")
        #expect(
            try await bench.introspect(token, as: "spiffe://other/weather-mcp-server").outcome == "401 invalid_client")
        let old = try bench.certificate("weather-mcp-server", life: 0)
        #expect(try await bench.post("/introspect", [("token", token)], client: old).outcome == "401 invalid_client")
        let bearer = try await bench.post("/introspect", [("token", token)], authorization: "Bearer \(token)")
        #expect(bearer.outcome == "401 invalid_client")
        let named = [("token", token), ("client_id", "spiffe://td/news-server")]
        let server = try bench.certificate("weather-mcp-server")
        #expect(try await bench.post("/introspect", named, client: server).outcome == "401 invalid_client")
    }

    @Test func `a missing token parameter is an invalid request`() async throws {
        let server = try bench.certificate("weather-mcp-server")
        #expect(try await bench.post("/introspect", [("x", "y")], client: server).outcome == "400 invalid_request")
    }

    @Test(arguments: ["news-server", "weather-agent", "reader"])
    func `whoever does not serve the resource hears that the token is inactive`(_ caller: String) async throws {
        #expect(try await status(as: caller) == Self.inactive)
    }

    @Test func `a token this server did not sign is inactive`() async throws {
        let jti = try #require(await bench.records.tokens.keys.first)
        let claims = try JWS(parsing: token).claims
        let id = bench.tokenKey.id
        let stolen = P256.Signing.PrivateKey()
        var otherIssuer = claims
        otherIssuer["iss"] = "https://evil.example"
        for forged in [
            "", " ", "x", "a.b.c", jti, token + "x", String(token.dropLast()), token.uppercased(),
            try JWS.sign(claims, type: "at+jwt", keyID: id, with: stolen),
            try JWS.sign(claims, type: "at+jwt", keyID: "k", with: bench.svidKey),
            try JWS.sign(otherIssuer, type: "at+jwt", keyID: id, with: stolen), try bench.assertion(),
            try await Bench().token(),
        ] where !forged.isEmpty {
            #expect(try await status(forged) == Self.inactive, "\(forged.prefix(20))")
        }
    }

    @Test func `a token of another type or issuer under the right key is inactive`() async throws {
        let key = P256.Signing.PrivateKey()
        let bench = self.bench
        let server = AuthorizationServer(
            configuration: .init(issuer: Bench.issuer, trustDomain: try TrustDomain("td")),
            keys: TokenSigningKey(key: key),
            store: bench.records, directory: bench.records, journal: bench.records, admission: bench.records,
            now: { [time = bench.time] in time.value })
        let claims = try JWS(parsing: token).claims
        let id = key.publicKey.jwkThumbprint
        var otherIssuer = claims
        otherIssuer["iss"] = "https://evil.example"
        let texts = [
            (try JWS.sign(claims, type: "at+jwt", keyID: id, with: key), true),
            (try JWS.sign(claims, type: "JWT", keyID: id, with: key), false),
            (try JWS.sign(claims, type: "at+jwt", keyID: "x", with: key), false),
            (try JWS.sign(otherIssuer, type: "at+jwt", keyID: id, with: key), false),
        ]
        for (text, active) in texts {
            let request = OAuthRequest(
                method: "POST", path: "/introspect", contentType: "application/x-www-form-urlencoded",
                body: Data("token=\(text)".utf8), client: try bench.certificate("weather-mcp-server"))
            #expect(try Answer(await server.handle(request))["active"] == .boolean(active))
        }
    }

    @Test(arguments: ["access_token", "refresh_token", "nonsense"])
    func `a wrong hint finds the token all the same`(_ hint: String) async throws {
        let server = try bench.certificate("weather-mcp-server")
        let answer = try await bench.post("/introspect", [("token", token), ("token_type_hint", hint)], client: server)
        #expect(answer["active"] == true)
    }

    @Test func `an expired token is inactive from that second on`() async throws {
        bench.time.advance(119)
        #expect(try await status()["active"] == true)
        bench.time.advance(1)
        let server = try bench.certificate("weather-mcp-server", life: 1000)
        #expect(try await bench.post("/introspect", [("token", token)], client: server).members == Self.inactive)
    }

    @Test func `deleting the client's identity makes its tokens inactive at once`() async throws {
        let id = try Bench.id("weather-agent")
        await bench.records.change { $0.active.remove(id) }
        #expect(try await status() == Self.inactive)
    }

    @Test func `deregistering the client makes its tokens inactive at once`() async throws {
        await bench.records.withdraw(try Bench.id("weather-agent"), through: IssueTime(Bench.start))
        #expect(try await status() == Self.inactive)
    }

    @Test func `taking the client out of the resource's list makes its tokens inactive at once`() async throws {
        await bench.records.change { $0.protected[0].allowed = [] }
        #expect(try await status() == Self.inactive)
        await bench.records.change { $0.protected = [] }
        #expect(try await status() == Self.inactive)
    }

    @Test func `each introspection is journalled with its true reason`() async throws {
        _ = try await status()
        _ = try await status(as: "news-server")
        let events = await bench.records.events.suffix(2)
        #expect(events.map(\.kind) == [.tokenIntrospected, .tokenIntrospected])
        #expect(events.map(\.active) == [true, false])
        #expect(events.last?.reason.contains("does not serve") == true)
        #expect(events.first?.tokenID == events.last?.tokenID)
    }

    @Test func `what can not be journalled is not told`() async throws {
        await bench.records.change { $0.journalFails = true }
        #expect(try await bench.introspect(token, as: "weather-mcp-server").outcome == "500 server_error")
    }

    @Test func `a client revokes its token and the server hears it at once`() async throws {
        #expect(try await revoke(token).status == 200)
        #expect(try await status() == Self.inactive)
        #expect(try await revoke(token).status == 200)
    }

    @Test func `revoking what is no token is no error`() async throws {
        #expect(try await revoke("nonsense").status == 200)
        #expect(try await status()["active"] == true)
    }

    @Test func `another client's token stays active`() async throws {
        #expect(try await revoke(token, as: "reader").outcome == "400 unauthorized_client")
        #expect(try await revoke(token, as: "weather-mcp-server").outcome == "400 unauthorized_client")
        #expect(try await bench.post("/revoke", [("token", token)]).outcome == "401 invalid_client")
        #expect(try await status()["active"] == true)
    }

    @Test func `no token is in any event`() async throws {
        _ = try await status()
        _ = try await revoke(token)
        let secret = String(token.suffix(40))
        #expect(await bench.records.events.allSatisfy { !"\($0)".contains(secret) })
    }
}
