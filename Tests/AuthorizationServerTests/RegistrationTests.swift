import AuthorizationServer
import Crypto
import Foundation
import SPIFFE
import Testing

@Suite("Registration")
struct RegistrationTests {
    let bench: Bench

    init() throws { bench = try Bench() }

    private func register(statement: String, _ more: String = "") async throws -> Answer {
        try await bench.register(#"{"software_statement":"\#(statement)"\#(more)}"#)
    }

    private func clients() async -> Int { await bench.records.clients.count }

    @Test func `a JWT-SVID as software statement registers its workload`() async throws {
        let statement = try bench.assertion()
        let answer = try await register(
            statement: statement,
            #","client_name":"weather","grant_types":["client_credentials"],"scope":"weather:read""#)
        #expect(answer.outcome == "201 ok")
        #expect(answer.headers["Cache-Control"] == "no-store")
        #expect(answer["client_id"] == "spiffe://td/weather-agent")
        #expect(answer["spiffe_id"] == "spiffe://td/weather-agent")
        #expect(answer["software_statement"] == .string(statement))
        #expect(answer["client_name"] == "weather")
        #expect(answer["scope"] == "weather:read")
        #expect(answer["grant_types"] == ["client_credentials"])
        #expect(answer["token_endpoint_auth_method"] == "spiffe_jwt")
        #expect(answer["client_id_issued_at"] == 1_800_000_000)
        #expect(answer.members.keys.allSatisfy { !$0.contains("secret") })
    }

    @Test func `a certificate registers its workload`() async throws {
        let answer = try await bench.register("{}", client: bench.certificate("weather-agent"))
        #expect(answer.outcome == "201 ok")
        #expect(answer["client_id"] == "spiffe://td/weather-agent")
        #expect(answer["token_endpoint_auth_method"] == "spiffe_x509")
        let event = try #require(await bench.records.events.first)
        #expect(event.kind == .clientRegistered)
        #expect(event.caller?.description == "spiffe://td/weather-agent")
        #expect(event.svidSerial == "01")
    }

    @Test func `the registration endpoint itself is an audience for statements, another is not`() async throws {
        let good = try bench.assertion(changes: ["aud": [.string(Bench.issuer + "/register"), "x"]])
        #expect(try await register(statement: good).outcome == "201 ok")
        let bad = try bench.assertion("reader", changes: ["aud": .string(Bench.issuer + "/token")])
        #expect(try await register(statement: bad).outcome == "400 invalid_software_statement")
    }

    static let bad: [[String: JSONValue?]] = [
        ["exp": 1_799_999_000], ["exp": nil], ["iat": nil], ["iss": nil], ["iss": "spiffe://other"],
        ["iss": "https://evil.example"],
        ["aud": "https://other.example"], ["sub": "spiffe://other/x"], ["sub": "spiffe://td"], ["iat": 1_800_000_100],
        ["exp": 1_800_003_600],
    ]

    @Test(arguments: bad)
    func `a statement that is not valid here registers nobody`(_ changes: [String: JSONValue?]) async throws {
        let answer = try await register(statement: bench.assertion(changes: changes))
        #expect(answer.outcome == "400 invalid_software_statement")
        #expect(await clients() == 0)
    }

    @Test func `a forged, foreign or mistyped statement registers nobody`() async throws {
        for statement in [
            try bench.assertion(key: .init()), try bench.assertion("spiffe://other/x", key: bench.foreignKey),
            try bench.assertion("spiffe://other/x", changes: ["iss": "spiffe://td"], key: bench.foreignKey),
            try bench.assertion(type: "at+jwt"), "", "x",
        ] {
            #expect(try await register(statement: statement).outcome == "400 invalid_software_statement")
        }
        #expect(try await bench.register(#"{"software_statement":1}"#).outcome == "400 invalid_software_statement")
        #expect(await clients() == 0)
    }

    @Test func `a workload no manifest gives is not approved`() async throws {
        #expect(
            try await register(statement: bench.assertion("stranger")).outcome == "400 unapproved_software_statement")
        #expect(try await bench.register("{}", client: bench.certificate("stranger")).outcome == "403 access_denied")
        #expect(await clients() == 0)
    }

    @Test func `without an SVID there is no client`() async throws {
        #expect(try await bench.register("{}").outcome == "401 invalid_client")
        #expect(try await bench.register(#"{"spiffe_id":"spiffe://td/weather-agent"}"#).outcome == "401 invalid_client")
        let certificate = try bench.certificate("weather-agent")
        #expect(
            try await bench.register("{}", client: certificate, authorization: "Bearer x").outcome
                == "401 invalid_client")
        #expect(
            try await bench.register("{}", client: bench.certificate("weather-agent", life: 0)).outcome
                == "401 invalid_client")
        let foreign = try bench.certificate("spiffe://other/x")
        #expect(try await bench.register("{}", client: foreign).outcome == "401 invalid_client")
        #expect(await clients() == 0)
    }

    @Test(arguments: [
        "client_secret_basic", "client_secret_post", "client_secret_jwt", "none", "private_key_jwt", "spiffe_wit", "",
    ])
    func `a method without an SVID is refused and there is never a secret`(_ method: String) async throws {
        let body = #"{"token_endpoint_auth_method":"\#(method)"}"#
        let answer = try await bench.register(body, client: bench.certificate("weather-agent"))
        #expect(answer.outcome == "400 invalid_client_metadata")
        #expect(await clients() == 0)
    }

    @Test(arguments: [
        #"{"grant_types":["authorization_code"]}"#, #"{"grant_types":"client_credentials"}"#, #"{"grant_types":[]}"#,
        #"{"grant_types":["client_credentials",1]}"#, #"{"client_name":1}"#, #"{"scope":["a"]}"#,
        #"{"spiffe_id":"spiffe://td/reader"}"#, #"{"spiffe_id":"spiffe://td/*"}"#, "[]", "", "{",
        #"{"scope":"a","scope":"b"}"#,
        #"{"token_endpoint_auth_method":null}"#,
    ])
    func `metadata that can not be honoured is refused`(_ body: String) async throws {
        let answer = try await bench.register(body, client: bench.certificate("weather-agent"))
        #expect(answer.outcome == "400 invalid_client_metadata")
        #expect(await clients() == 0)
    }

    @Test(arguments: [
        #"["https://app.example/cb"]"#, #"["http://127.0.0.1/cb"]"#, #"["javascript:alert(1)"]"#, #""x""#,
    ])
    func `redirect URIs are refused`(_ uris: String) async throws {
        let answer = try await bench.register(
            #"{"redirect_uris":\#(uris)}"#, client: bench.certificate("weather-agent"))
        #expect(answer.outcome == "400 invalid_redirect_uri")
    }

    @Test func `grants and scopes beyond policy are left out of the answer`() async throws {
        let body = #"{"grant_types":["client_credentials","refresh_token"],"scope":"news:read weather:read admin"}"#
        let answer = try await bench.register(body, client: bench.certificate("reader"))
        #expect(answer["grant_types"] == ["client_credentials"])
        #expect(answer["scope"] == "news:read")
    }

    @Test func `a claim of the statement beats the body`() async throws {
        let statement = try bench.assertion(changes: ["client_name": "from the issuer", "scope": "weather:read"])
        let answer = try await register(statement: statement, #","client_name":"from the body","scope":"news:read""#)
        #expect(answer["client_name"] == "from the issuer")
        #expect(answer["scope"] == "weather:read")
    }

    @Test func `what a client says about whom to trust is ignored`() async throws {
        let body = #"{"spiffe_bundle_endpoint":"https://a.example","jwks":{"keys":[]},"jwks_uri":"https://a.example"}"#
        let answer = try await bench.register(body, client: bench.certificate("weather-agent"))
        #expect(answer.outcome == "201 ok")
        #expect(answer.members.keys.allSatisfy { !$0.contains("jwks") && !$0.contains("bundle") })
    }

    @Test func `a statement over another workload's connection is refused`() async throws {
        let body = #"{"software_statement":"\#(try bench.assertion())"}"#
        #expect(
            try await bench.register(body, client: bench.certificate("reader")).outcome
                == "400 invalid_software_statement")
        #expect(try await bench.register(body, client: bench.certificate("weather-agent")).outcome == "201 ok")
    }

    @Test func `one workload registering fifty times at once is one client`() async throws {
        let ids = try await withThrowingTaskGroup(of: [JSONValue?].self) { group in
            for round in 0..<50 {
                group.addTask { [bench] in
                    let certificate = round % 2 == 0 ? try bench.certificate("weather-agent") : nil
                    let body = round % 2 == 0 ? "{}" : #"{"software_statement":"\#(try bench.assertion())"}"#
                    let answer = try await bench.register(body, client: certificate)
                    return [answer["client_id"], answer["client_id_issued_at"]]
                }
            }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(ids == [["spiffe://td/weather-agent", 1_800_000_000]])
        #expect(await clients() == 1)
        #expect(await bench.records.events.count { $0.kind == .clientRegistered } == 1)
    }

    @Test func `a client whose SVIDs were withdrawn comes back by a newer one, by certificate or by JWT`() async throws
    {
        let token = try await bench.token()
        let stolen = try bench.certificate("weather-agent", life: 1000)
        let statement = try bench.assertion(changes: ["exp": .integer(1_800_000_200)])
        await bench.records.withdraw(try Bench.id("weather-agent"), through: IssueTime(Bench.start))
        bench.time.advance(1)
        #expect(try await register(statement: statement).outcome == "400 unapproved_software_statement")
        #expect(try await bench.register("{}", client: stolen).outcome == "403 access_denied")
        let mixed = try bench.certificate("weather-agent", life: 1000)
        let body = #"{"software_statement":"\#(statement)"}"#
        #expect(try await bench.register(body, client: mixed).outcome == "400 unapproved_software_statement")
        let undated = try bench.assertion(changes: ["iat": JSONValue?.none])
        let asserted = [
            ("grant_type", "client_credentials"), ("client_assertion_type", Bench.jwtSpiffe),
            ("client_assertion", undated), ("resource", Bench.weather),
        ]
        let renewed = try bench.certificate("weather-agent", generation: 2, life: 1000)
        #expect(try await bench.register("{}", client: renewed).outcome == "201 ok")
        #expect(
            try await bench.requestToken([("resource", Bench.weather)], client: stolen).outcome == "401 invalid_client")
        #expect(try await bench.post("/token", asserted, client: renewed).outcome == "401 invalid_client")
        #expect(try await bench.requestToken([("resource", Bench.weather)], client: renewed).outcome == "200 ok")
        // What was stolen takes nothing away from who has the identity now.
        let revocation = [("token", token), ("client_id", "spiffe://td/weather-agent")]
        #expect(try await bench.post("/revoke", revocation, client: stolen).outcome == "401 invalid_client")
        #expect(try await bench.post("/revoke", revocation, client: renewed).outcome == "200 ok")
        // Nor does a server that was withdrawn hear of tokens.
        await bench.records.withdraw(try Bench.id("weather-mcp-server"), through: IssueTime(bench.time.value))
        #expect(try await bench.introspect(token, as: "weather-mcp-server").outcome == "401 invalid_client")
    }

    @Test func `a client that nobody has does not register`() async throws {
        await bench.records.change { $0.active = [] }
        #expect(try await register(statement: bench.assertion()).outcome == "400 unapproved_software_statement")
        let certificate = try bench.certificate("weather-agent")
        #expect(try await bench.register("{}", client: certificate).outcome == "403 access_denied")
        #expect(
            try await bench.requestToken([("resource", Bench.weather)], client: certificate).outcome
                == "401 invalid_client")
    }

    @Test func `a full journal means no answer that anything was done`() async throws {
        await bench.records.change { $0.journalFails = true }
        #expect(
            try await bench.register("{}", client: bench.certificate("weather-agent")).outcome == "500 server_error")
    }
}
