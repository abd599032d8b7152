import Crypto
import Foundation
import SPIFFE
import Testing

/// Builds tokens that no honest issuer would.
struct TokenForge {
    let key = P256.Signing.PrivateKey()

    func sign(header: String, claims: String) throws -> String {
        let input = Base64URL.encode(header.utf8) + "." + Base64URL.encode(claims.utf8)
        return input + "." + Base64URL.encode(try key.signature(for: Data(input.utf8)).rawRepresentation)
    }
}

@Suite("JWT-SVID")
struct JWTSVIDTests {
    static let now = Date(timeIntervalSince1970: 1_800_000_000)
    let forge = TokenForge()
    let foreign = TokenForge()
    let bundles: BundleSet
    let rules = JWTSVID.Rules(
        audiences: ["https://as.example/oauth"], soleAudience: true, maximumLifetime: .seconds(300))

    init() throws {
        bundles = BundleSet([
            TrustBundle(
                trustDomain: try TrustDomain("td"), x509Authorities: [], jwtAuthorities: ["k": forge.key.publicKey]),
            TrustBundle(
                trustDomain: try TrustDomain("other"), x509Authorities: [],
                jwtAuthorities: ["k": foreign.key.publicKey, "o": foreign.key.publicKey]),
            TrustBundle(trustDomain: try TrustDomain("empty"), x509Authorities: []),
        ])
    }

    static let header = #"{"alg":"ES256","kid":"k","typ":"JWT"}"#

    static func claims(
        sub: String? = #""spiffe://td/weather-agent""#, aud: String? = #""https://as.example/oauth""#,
        exp: String? = "1800000060", iat: String? = "1800000000", more: String = "",
    ) -> String {
        let members = [("sub", sub), ("aud", aud), ("exp", exp), ("iat", iat)]
        let written = members.compactMap { name, value in value.map { "\"\(name)\":\($0)" } }
        return "{" + (written + (more.isEmpty ? [] : [more])).joined(separator: ",") + "}"
    }

    private func verify(header: String = header, claims: String = claims()) throws -> JWTSVID {
        try verify(token: forge.sign(header: header, claims: claims))
    }

    private func verify(token: String) throws -> JWTSVID {
        try JWTSVID.verify(token, bundles: bundles, rules: rules, at: Self.now)
    }

    @Test(arguments: [
        #"{"alg":"ES256","kid":"k","typ":"JWT"}"#, #"{"alg":"ES256","kid":"k","typ":"JOSE"}"#,
        #"{"alg":"ES256","kid":"k"}"#,
        #" { "kid" : "k", "alg" : "ES256" } "#,
    ])
    func `the types of the standard are taken`(_ header: String) throws {
        #expect(try verify(header: header).id.description == "spiffe://td/weather-agent")
    }

    @Test(arguments: [#""https://as.example/oauth""#, #"["https://as.example/oauth"]"#])
    func `one audience is taken as a string and as an array`(_ audience: String) throws {
        #expect(try verify(claims: Self.claims(aud: audience)).audience == ["https://as.example/oauth"])
    }

    @Test(arguments: [
        #"{"alg":"none","kid":"k"}"#, #"{"alg":"HS256","kid":"k"}"#, #"{"alg":"EdDSA","kid":"k"}"#,
        #"{"alg":"ES384","kid":"k"}"#, #"{"alg":"RS256","kid":"k"}"#, #"{"alg":"es256","kid":"k"}"#, #"{"kid":"k"}"#,
        #"{"alg":["ES256"],"kid":"k"}"#, #"{"alg":"ES256","alg":"ES256","kid":"k"}"#,
        #"{"alg":"ES256","kid":"k","crit":["exp"]}"#, #"{"alg":"ES256","kid":"k","jku":"https://evil.example/k"}"#,
        #"{"alg":"ES256","kid":"k","jwk":{"kty":"EC"}}"#, #"{"alg":"ES256","kid":"k","x5c":["MA=="]}"#,
        #"{"alg":"ES256","kid":"k","x5u":"https://evil.example"}"#, #"{"alg":"ES256","kid":"k","b64":false}"#,
        #"{"alg":"ES256","kid":1}"#, #"{"alg":"ES256","kid":"k","typ":null}"#, "[]", "null", "",
    ])
    func `a header that is not exactly ours is refused before any key is looked up`(_ header: String) throws {
        let error = try #require(throws: JWTSVIDError.self) { try verify(header: header) }
        guard case .form = error else {
            Issue.record("refused for another reason: \(error)")
            return
        }
    }

    @Test(arguments: ["at+jwt", "wit+jwt", "foo", "jwt", "dpop+jwt", ""])
    func `another kind of token is refused`(_ type: String) {
        #expect(throws: JWTSVIDError.type(type)) {
            try verify(header: #"{"alg":"ES256","kid":"k","typ":"\#(type)"}"#)
        }
    }

    @Test func `a key that is absent or unknown is refused`() throws {
        #expect(throws: JWTSVIDError.keyIDMissing) { try verify(header: #"{"alg":"ES256"}"#) }
        #expect(throws: JWTSVIDError.keyUnknown("x", try TrustDomain("td"))) {
            try verify(header: #"{"alg":"ES256","kid":"x"}"#)
        }
    }

    @Test(arguments: [
        ("sub", claims(sub: nil)), ("sub", claims(sub: "1")), ("aud", claims(aud: nil)), ("aud", claims(aud: "[]")),
        ("aud", claims(aud: "[1]")), ("aud", claims(aud: "{}")), ("exp", claims(exp: nil)),
        ("exp", claims(exp: #""1800000060""#)), ("iat", claims(iat: "true")), ("nbf", claims(more: #""nbf":"x""#)),
        ("iss", claims(more: #""iss":1"#)),
    ])
    func `a claim that is missing or mistyped is refused`(_ name: String, _ claims: String) {
        #expect(throws: JWTSVIDError.claim(name)) { try verify(claims: claims) }
    }

    @Test(arguments: ["spiffe://td", "spiffe://td/", "http://td/x", "spiffe://td/../x", "weather-agent"])
    func `a subject that is no workload's SPIFFE ID is refused`(_ subject: String) throws {
        let error = try #require(throws: JWTSVIDError.self) { try verify(claims: Self.claims(sub: "\"\(subject)\"")) }
        guard case .subject = error else {
            Issue.record("refused for another reason: \(error)")
            return
        }
    }

    @Test func `a key of one trust domain does not sign for another`() throws {
        let other = Self.claims(sub: #""spiffe://other/x""#)
        let id = try SPIFFEID("spiffe://other/x")
        #expect(throws: JWTSVIDError.signature(id)) { try verify(claims: other) }
        #expect(throws: JWTSVIDError.noBundle(try TrustDomain("stranger"))) {
            try verify(claims: Self.claims(sub: #""spiffe://stranger/x""#))
        }
        #expect(throws: JWTSVIDError.keyUnknown("k", try TrustDomain("empty"))) {
            try verify(claims: Self.claims(sub: #""spiffe://empty/x""#))
        }
        #expect(try verify(token: foreign.sign(header: Self.header, claims: other)).id == id)
    }

    @Test(arguments: [
        #""https://as.example/oauth/""#, #""https://as.example/oauth/token""#, #""https://as.example""#,
        #""https://other.example/oauth""#, #"["https://as.example/oauth","https://other.example"]"#,
        #""HTTPS://as.example/oauth""#, #""""#, #"["https://as.example/oauth","https://as.example/oauth"]"#,
    ])
    func `any audience but the server alone is refused`(_ audience: String) throws {
        let error = try #require(throws: JWTSVIDError.self) { try verify(claims: Self.claims(aud: audience)) }
        guard case .audience = error else {
            Issue.record("refused for another reason: \(error)")
            return
        }
    }

    @Test func `several audiences are taken where the rules do not ask for one`() throws {
        let token = try forge.sign(
            header: Self.header, claims: Self.claims(aud: #"["https://as.example/oauth","x"]"#))
        let rules = JWTSVID.Rules(audiences: ["https://as.example/oauth"])
        #expect(try JWTSVID.verify(token, bundles: bundles, rules: rules, at: Self.now).audience.count == 2)
    }

    @Test(arguments: [
        ("1799999994", "1799999990", ""), ("1800000400", "1800000000", ""), ("1800000060", "1800000010", ""),
        ("1800000060", "1800000000", #""nbf":1800000010"#), ("1e300", "1800000000", ""), ("1e300", "-1e300", ""),
        ("-1", "1800000000", ""),
    ])
    func `a token outside its time, or for too long a time, is refused`(_ exp: String, _ iat: String, _ more: String) {
        #expect(throws: JWTSVIDError.self) { try verify(claims: Self.claims(exp: exp, iat: iat, more: more)) }
    }

    @Test func `a token that does not say since when it is good lives no longer for that`() throws {
        #expect(throws: JWTSVIDError.lifetime(seconds: 100_000_000)) {
            try verify(claims: Self.claims(exp: "1900000000", iat: nil))
        }
        #expect(throws: JWTSVIDError.lifetime(seconds: 301)) {
            try verify(claims: Self.claims(exp: "1800000301", iat: nil))
        }
        #expect(try verify(claims: Self.claims(exp: "1800000300", iat: nil)).issuedAt == nil)
    }

    @Test func `clocks may be five seconds apart and times may have fractions`() throws {
        _ = try verify(claims: Self.claims(exp: "1799999996.5", iat: "1799999990"))
        _ = try verify(claims: Self.claims(exp: "1800000060", iat: "1800000004", more: #""nbf":1800000004.5"#))
        _ = try verify(claims: Self.claims(iat: nil))
    }

    @Test func `any altered byte of a token is refused`() throws {
        let token = Array(try forge.sign(header: Self.header, claims: Self.claims()).utf8)
        for index in token.indices {
            var altered = token
            altered[index] = altered[index] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
            #expect(throws: JWTSVIDError.self, "byte \(index)") {
                try verify(token: String(decoding: altered, as: UTF8.self))
            }
        }
    }

    @Test func `only the compact form of ordinary size is read`() throws {
        let token = try forge.sign(header: Self.header, claims: Self.claims())
        let parts = token.split(separator: ".").map(String.init)
        let json = #"{"protected":"\#(parts[0])","payload":"\#(parts[1])","signature":"\#(parts[2])"}"#
        let tail = try forge.sign(
            header: Self.header, claims: Self.claims(more: #""x":"\#(String(repeating: "a", count: 20_000))""#))
        for text in [
            "", ".", "..", token + ".", "." + token, token + "=", " " + token, token + "\n", parts[0] + "." + parts[1],
            parts[0] + "." + parts[1] + ".", json, tail, token.replacingOccurrences(of: ".", with: ".."),
            token + "\u{301}",
        ] {
            #expect(throws: JWTSVIDError.self, "\(text.prefix(40))") { try verify(token: text) }
        }
    }

    @Test func `what the issuer signs is what the standard asks for`() throws {
        let id = try SPIFFEID("spiffe://td/weather-agent")
        let token = try JWTSVID.sign(
            id, audience: ["https://as.example/oauth"], issuer: "spiffe://td", lifetime: .seconds(60), now: Self.now,
            keyID: "k", with: forge.key)
        let header = try JSONValue(parsing: Base64URL.decode(token.prefix { $0 != "." }) ?? Data())
        #expect(header == ["alg": "ES256", "kid": "k", "typ": "JWT"])
        let svid = try verify(token: token)
        #expect(Set(svid.claims.keys) == ["sub", "aud", "exp", "iat", "iss"])
        #expect(svid.id == id)
        #expect(svid.expiresAt == Self.now + 60)
        #expect(svid.issuer == "spiffe://td")
    }
}
