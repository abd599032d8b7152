import AuthorizationServer
import Crypto
import Foundation
import SPIFFE
import Testing

@Suite("Client authentication")
struct ClientAuthenticationTests {
    let bench: Bench

    init() async throws {
        bench = try Bench(unbound: true)
        _ = try await bench.register("{}", client: bench.certificate("weather-agent"))
    }

    /// A token request for the weather resource.
    private func ask(
        _ fields: [(String, String)], client: CertificateIdentity? = nil, authorization: String? = nil,
    ) async throws -> Answer {
        let common = [("grant_type", "client_credentials"), ("resource", Bench.weather)]
        let answer = try await bench.post("/token", common + fields, client: client, authorization: authorization)
        let issued = await bench.records.tokens
        // Whatever the answer says, nothing may have been issued beside it.
        #expect(issued.isEmpty == (answer.status != 200))
        return answer
    }

    private func ask(assertion: String, _ more: [(String, String)] = []) async throws -> Answer {
        try await ask([("client_assertion_type", Bench.jwtSpiffe), ("client_assertion", assertion)] + more)
    }

    @Test func `spiffe_jwt works with and without client_id`() async throws {
        #expect(try await ask(assertion: bench.assertion()).outcome == "200 ok")
        let named = [("client_id", "spiffe://td/weather-agent")]
        #expect(try await ask(assertion: bench.assertion(), named).outcome == "200 ok")
    }

    @Test func `an assertion may be used again while it is valid`() async throws {
        let assertion = try bench.assertion()
        #expect(try await ask(assertion: assertion).outcome == "200 ok")
        #expect(try await ask(assertion: assertion).outcome == "200 ok")
    }

    @Test func `one audience is taken as a list too`() async throws {
        let assertion = try bench.assertion(changes: ["aud": [.string(Bench.issuer)]])
        #expect(try await ask(assertion: assertion).outcome == "200 ok")
    }

    static let audiences: [JSONValue] = [
        .string(Bench.issuer + "/token"), .string(Bench.issuer + "/"), "https://cp.example:8443",
        "https://other.example/oauth",
        [.string(Bench.issuer), "https://other.example"], [.string(Bench.issuer), .string(Bench.issuer)],
        .string(Bench.issuer + "/register"), [], "",
    ]

    @Test(arguments: audiences)
    func `an assertion for any audience but the issuer alone is refused`(_ audience: JSONValue) async throws {
        #expect(try await ask(assertion: bench.assertion(changes: ["aud": audience])).outcome == "401 invalid_client")
    }

    static let stale: [[String: JSONValue?]] = [
        ["exp": nil], ["exp": 1_799_999_990], ["exp": 1_800_000_301], ["iat": 1_800_000_010], ["nbf": 1_800_000_010],
        ["exp": "1800000060"], ["sub": nil], ["sub": "spiffe://td"], ["sub": "weather-agent"],
    ]

    @Test(arguments: stale)
    func `an assertion out of its time, too long-lived or without its claims is refused`(
        _ changes: [String: JSONValue?],
    ) async throws {
        #expect(try await ask(assertion: bench.assertion(changes: changes)).outcome == "401 invalid_client")
    }

    @Test func `a token that is no JWT-SVID of the client is refused as an assertion`() async throws {
        let accessToken = try await Bench().token()
        let ownAccessToken = try JWS.sign(
            ["sub": "spiffe://td/weather-agent"], type: "at+jwt", keyID: "k", with: bench.svidKey)
        for assertion in [
            accessToken, ownAccessToken, "", "x", "a.b.c", try bench.assertion(type: "wit+jwt"),
            try bench.assertion(type: "at+jwt"),
            try bench.assertion(key: .init()), try bench.assertion(key: bench.foreignKey),
        ] {
            let answer = try await ask(assertion: assertion)
            #expect(answer.outcome == (assertion.isEmpty ? "400 invalid_request" : "401 invalid_client"))
        }
    }

    @Test func `a federated trust domain's workload is no client here`() async throws {
        let assertion = try bench.assertion("spiffe://other/weather-agent", key: bench.foreignKey)
        #expect(try await ask(assertion: assertion).outcome == "401 invalid_client")
        let certificate = try bench.certificate("spiffe://other/weather-agent")
        let named = [("client_id", "spiffe://other/weather-agent")]
        #expect(try await ask(named, client: certificate).outcome == "401 invalid_client")
    }

    @Test func `a client_id that is not the SVID's is refused`() async throws {
        for other in [
            "spiffe://td/reader", "spiffe://td/weather-agent/", "SPIFFE://td/weather-agent", "spiffe://td/*", "x",
        ] {
            let named = [("client_id", other)]
            #expect(try await ask(assertion: bench.assertion(), named).outcome == "401 invalid_client", "\(other)")
            #expect(try await ask(named, client: bench.certificate("weather-agent")).outcome == "401 invalid_client")
        }
    }

    @Test(arguments: [
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "urn:ietf:params:oauth:client-assertion-type:spiffe-svid-jwt",
        "urn:ietf:params:oauth:client-assertion-type:JWT-SPIFFE", "jwt-spiffe",
    ])
    func `another assertion type is refused`(_ type: String) async throws {
        let fields = [("client_assertion_type", type), ("client_assertion", try bench.assertion())]
        #expect(try await ask(fields).outcome == "401 invalid_client")
    }

    @Test func `half an assertion, or two, are refused`() async throws {
        let assertion = try bench.assertion()
        #expect(try await ask([("client_assertion", assertion)]).outcome == "400 invalid_request")
        #expect(try await ask([("client_assertion_type", Bench.jwtSpiffe)]).outcome == "400 invalid_request")
        #expect(try await ask(assertion: assertion, [("client_assertion", assertion)]).outcome == "400 invalid_request")
        #expect(
            try await ask(assertion: assertion, [("client_assertion_type", Bench.jwtSpiffe)]).outcome
                == "400 invalid_request")
    }

    @Test func `two methods in one request are refused`() async throws {
        let basic = "Basic dzpz"
        let fields = [("client_assertion_type", Bench.jwtSpiffe), ("client_assertion", try bench.assertion())]
        #expect(try await ask(fields, authorization: basic).outcome == "400 invalid_request")
        #expect(try await ask(fields + [("client_secret", "s")]).outcome == "400 invalid_request")
        let other = try bench.certificate("reader")
        #expect(try await ask(fields, client: other).outcome == "401 invalid_client")
    }

    @Test func `a secret is no credential here, and the refusal says so with a challenge`() async throws {
        let answer = try await ask([], authorization: "Basic dzpz")
        #expect(answer.outcome == "401 invalid_client")
        #expect(answer.headers["WWW-Authenticate"] != nil)
        #expect(
            try await ask([("client_id", "spiffe://td/weather-agent"), ("client_secret", "s")]).outcome
                == "401 invalid_client")
        #expect(try await ask([], authorization: "Bearer \(bench.assertion())").outcome == "401 invalid_client")
    }

    @Test func `spiffe_x509 wants the client_id that the certificate names`() async throws {
        let certificate = try bench.certificate("weather-agent")
        #expect(try await ask([("client_id", "spiffe://td/weather-agent")], client: certificate).outcome == "200 ok")
    }

    @Test func `spiffe_x509 without client_id, or with a certificate that ran out, is refused`() async throws {
        #expect(try await ask([], client: bench.certificate("weather-agent")).outcome == "400 invalid_request")
        let named = [("client_id", "spiffe://td/weather-agent")]
        #expect(
            try await ask(named, client: bench.certificate("weather-agent", life: 0)).outcome == "401 invalid_client")
        #expect(try await ask(named).outcome == "401 invalid_client")
    }

    @Test func `an assertion over a connection whose certificate ran out is refused`() async throws {
        let fields = [("client_assertion_type", Bench.jwtSpiffe), ("client_assertion", try bench.assertion())]
        #expect(try await ask(fields, client: bench.certificate("weather-agent")).outcome == "200 ok")
        let other = try Bench(unbound: true)
        _ = try await other.register("{}", client: other.certificate("weather-agent"))
        let common = [("grant_type", "client_credentials"), ("resource", Bench.weather)]
        let stale = try other.certificate("weather-agent", life: 0)
        let renewed = [("client_assertion_type", Bench.jwtSpiffe), ("client_assertion", try other.assertion())]
        #expect(try await other.post("/token", common + renewed, client: stale).outcome == "401 invalid_client")
        let reasons = await other.records.events.map(\.reason)
        #expect(reasons.last?.contains("ran out") == true)
    }

    @Test func `refusals tell the caller nothing of their cause, and the journal all of it`() async throws {
        let expired = try await ask(assertion: bench.assertion(changes: ["exp": 1_700_000_000]))
        let forged = try await ask(assertion: bench.assertion(key: .init()))
        #expect(expired.members == forged.members)
        #expect(expired.headers["Cache-Control"] == "no-store")
        let reasons = await bench.records.events.filter { $0.kind == .tokenRefused }.map(\.reason)
        #expect(reasons.count == 2)
        #expect(reasons[0].contains("expired"))
        #expect(reasons[1].contains("signature"))
    }
}
