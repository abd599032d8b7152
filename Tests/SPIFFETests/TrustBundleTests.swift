import Crypto
import Foundation
import SPIFFE
import Testing
import X509

@Suite("Trust bundle")
struct TrustBundleTests {
    let bundle: TrustBundle
    let domain: TrustDomain

    init() throws {
        domain = try TrustDomain("td")
        let key = P256.Signing.PrivateKey().publicKey
        bundle = TrustBundle(
            trustDomain: domain, x509Authorities: [try TestAuthority("td").certificate],
            jwtAuthorities: [key.jwkThumbprint: key], sequence: 7, refreshHint: .seconds(60))
    }

    @Test func `the document has the members of the standard and no others`() throws {
        let published = try JSONValue(parsing: bundle.jwksDocument())
        let document = try #require(published.object)
        #expect(document["spiffe_sequence"] == 7)
        #expect(document["spiffe_refresh_hint"] == 60)
        let entries = try #require(document["keys"]?.array)
        let keys = entries.compactMap(\.object)
        let x509 = try #require(keys.first { $0["use"] == "x509-svid" })
        let jwt = try #require(keys.first { $0["use"] == "jwt-svid" })
        #expect(keys.count == 2)
        #expect(Set(x509.keys) == ["use", "kty", "crv", "x", "y", "x5c"])
        #expect(x509["x5c"]?.array?.count == 1)
        #expect(Set(jwt.keys) == ["use", "kty", "crv", "x", "y", "kid"])
        #expect(jwt["crv"] == "P-256")
    }

    @Test func `a document read back is the same bundle`() throws {
        #expect(try TrustBundle(trustDomain: domain, jwks: bundle.jwksDocument()) == bundle)
        #expect(try JSONDecoder().decode(TrustBundle.self, from: JSONEncoder().encode(bundle)) == bundle)
    }

    @Test func `between our programs the trust domain travels along`() throws {
        let value = try JSONValue(parsing: JSONEncoder().encode(bundle))
        #expect(value.object?["trustDomain"] == "td")
        #expect(value.object?["document"]?.object?["spiffe_sequence"] == 7)
    }

    @Test func `what is unknown or unusable is passed over`() throws {
        let published = try JSONValue(parsing: bundle.jwksDocument())
        var document = try #require(published.object)
        let good = try #require(document["keys"]?.array)
        let strange: [JSONValue] = [
            ["kty": "EC"], ["use": "x509-svid", "kty": "EC"], ["use": "x509-svid", "kty": "EC", "x5c": []],
            ["use": "x509-svid", "kty": "EC", "x5c": ["!!!"]], ["use": "x509-svid", "kty": "EC", "x5c": ["MAA="]],
            ["use": "x509-svid", "kty": "EC", "x5c": "MAA="], ["use": "wit-svid", "kty": "EC", "kid": "w"],
            ["use": "jwt-svid", "kty": "quantum", "kid": "q"],
            ["use": "jwt-svid", "kty": "EC", "crv": "P-256", "kid": "n"],
            ["use": "jwt-svid", "kty": "EC", "crv": "P-256", "kid": "z", "x": "AA", "y": "AA"],
            ["use": 1, "kty": ["EC"]],
        ]
        document["keys"] = .array(strange + good)
        document["extra"] = "ignored"
        let read = try TrustBundle(trustDomain: domain, jwks: Data(JSONValue.object(document).description.utf8))
        #expect(read == bundle)
    }

    @Test func `a key for signing access tokens is no SVID key`() throws {
        let key = P256.Signing.PrivateKey().publicKey
        let (x, y) = key.coordinates
        let jwk = #"{"kty":"EC","use":"sig","kid":"a","crv":"P-256","x":"\#(x)","y":"\#(y)"}"#
        let read = try TrustBundle(trustDomain: domain, jwks: Data(#"{"keys":[\#(jwk)]}"#.utf8))
        #expect(read.jwtAuthorities.isEmpty)
    }

    @Test func `only the first certificate of an entry counts`() throws {
        let first = Data(try bundle.x509Authorities[0].derBytes()).base64EncodedString()
        let second = Data(try TestAuthority("td").certificate.derBytes()).base64EncodedString()
        let text = #"{"keys":[{"use":"x509-svid","kty":"EC","x5c":["\#(first)","\#(second)"]}]}"#
        #expect(try TrustBundle(trustDomain: domain, jwks: Data(text.utf8)).x509Authorities == bundle.x509Authorities)
    }

    @Test func `an empty list of keys is a bundle that trusts nobody`() throws {
        let read = try TrustBundle(trustDomain: domain, jwks: Data(#"{"keys":[]}"#.utf8))
        #expect(read.x509Authorities.isEmpty && read.jwtAuthorities.isEmpty)
    }

    @Test(arguments: ["", "[]", "{}", #"{"keys":{}}"#, #"{"keys":[1]}"#, #"{"keys":[],"spiffe_sequence":-1}"#])
    func `what is no bundle document is refused`(_ text: String) throws {
        let error = try #require(throws: BundleError.self) {
            try TrustBundle(trustDomain: domain, jwks: Data(text.utf8))
        }
        guard case .malformed = error else {
            Issue.record("refused for another reason: \(error)")
            return
        }
    }

    @Test func `an oversized document and a repeated key id are refused`() throws {
        let size = TrustBundle.maximumDocumentBytes + 1
        #expect(throws: BundleError.tooLarge(bytes: size)) {
            try TrustBundle(trustDomain: domain, jwks: Data(repeating: 0x20, count: size))
        }
        let (x, y) = P256.Signing.PrivateKey().publicKey.coordinates
        let jwk = #"{"kty":"EC","use":"jwt-svid","kid":"a","crv":"P-256","x":"\#(x)","y":"\#(y)"}"#
        #expect(throws: BundleError.duplicateKeyID("a")) {
            try TrustBundle(trustDomain: domain, jwks: Data(#"{"keys":[\#(jwk),\#(jwk)]}"#.utf8))
        }
    }
}
