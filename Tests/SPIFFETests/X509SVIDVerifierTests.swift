import Crypto
import Foundation
import SPIFFE
import Testing
import X509

@Suite("X.509-SVID verifier")
struct X509SVIDVerifierTests {
    let root: TestAuthority
    let intermediate: TestAuthority
    let verifier: X509SVIDVerifier

    init() throws {
        root = try TestAuthority("td", pathLength: 1)
        intermediate = try TestAuthority("td", under: root, pathLength: 0)
        verifier = X509SVIDVerifier(bundles: BundleSet([root.bundle]))
    }

    private func verify(_ change: (inout TestAuthority.Leaf) -> Void) throws -> SPIFFEID {
        var leaf = TestAuthority.Leaf()
        change(&leaf)
        let chain = [try intermediate.sign(leaf), intermediate.certificate]
        return try verifier.verify(chain, at: TestAuthority.now)
    }

    @Test func `a proper leaf under an intermediate is who its name says`() throws {
        let id = try verify { _ in }
        #expect(id.description == "spiffe://td/weather-agent")
    }

    @Test func `further DNS names do no harm and extended key usage may be absent`() throws {
        let id = try verify {
            $0.otherNames = [.dnsName("weather.example")]
            $0.extendedUsage = nil
        }
        #expect(id.description == "spiffe://td/weather-agent")
    }

    @Test func `an empty chain is refused`() {
        #expect(throws: SVIDError.chainEmpty) { try verifier.verify([], at: TestAuthority.now) }
    }

    @Test func `two URI names are refused`() {
        #expect(throws: SVIDError.uriNames(count: 2)) {
            try verify { $0.uris = ["spiffe://td/weather-agent", "spiffe://td/other"] }
        }
    }

    @Test func `no URI name is refused`() {
        #expect(throws: SVIDError.uriNames(count: 0)) {
            try verify {
                $0.uris = []
                $0.otherNames = [.dnsName("weather-agent.td")]
            }
        }
    }

    @Test(arguments: ["http://td/weather-agent", "spiffe://td", "spiffe://td/", "spiffe://TD/x", "spiffe://td/%41"])
    func `a name that is no workload's SPIFFE ID is refused`(_ name: String) throws {
        let error = try #require(throws: SVIDError.self) { try verify { $0.uris = [name] } }
        guard case .identity = error else {
            Issue.record("refused for another reason: \(error)")
            return
        }
    }

    @Test func `an authority's certificate as a leaf is refused`() {
        #expect(throws: SVIDError.leafIsAuthority) {
            try verify { $0.constraints = .isCertificateAuthority(maxPathLength: nil) }
        }
        #expect(throws: SVIDError.leafIsAuthority) {
            try verifier.verify([intermediate.certificate], at: TestAuthority.now)
        }
    }

    @Test func `basic constraints that can not be read are refused, not taken as absent`() {
        #expect(throws: SVIDError.malformed("basic constraints")) {
            try verify { $0.brokenConstraints = true }
        }
    }

    @Test(arguments: [
        nil, KeyUsage(keyEncipherment: true), KeyUsage(digitalSignature: true, keyCertSign: true),
        KeyUsage(digitalSignature: true, cRLSign: true),
    ])
    func `a key usage other than signing handshakes is refused`(_ usage: KeyUsage?) throws {
        let error = try #require(throws: SVIDError.self) { try verify { $0.usage = usage } }
        guard case .keyUsage = error else {
            Issue.record("refused for another reason: \(error)")
            return
        }
    }

    @Test(arguments: [[ExtendedKeyUsage.Usage.serverAuth], [.clientAuth], [.codeSigning]])
    func `an extended key usage without both directions is refused`(_ usage: [ExtendedKeyUsage.Usage]) throws {
        let error = try #require(throws: SVIDError.self) { try verify { $0.extendedUsage = usage } }
        guard case .extendedKeyUsage = error else {
            Issue.record("refused for another reason: \(error)")
            return
        }
    }

    @Test func `an expired and a not yet valid leaf are refused`() throws {
        let late = try #require(throws: SVIDError.self) { try verify { $0.notAfter = TestAuthority.now - 1 } }
        let early = try #require(throws: SVIDError.self) { try verify { $0.notBefore = TestAuthority.now + 1 } }
        let id = try SPIFFEID("spiffe://td/weather-agent")
        #expect(late == .untrusted(id, reason: "number 0 of the chain has run out"))
        #expect(early == .untrusted(id, reason: "number 0 of the chain is not valid yet; compare the clocks"))
    }

    @Test func `an authority of trust domain B can not sign a name of A, both federated`() throws {
        let other = try TestAuthority("other")
        let federated = X509SVIDVerifier(bundles: BundleSet([root.bundle, other.bundle]))
        let forged = try other.sign(.init())
        #expect(throws: SVIDError.self) { try federated.verify([forged], at: TestAuthority.now) }
        let honest = try other.sign(.init(uris: ["spiffe://other/x"]))
        #expect(try federated.verify([honest], at: TestAuthority.now).description == "spiffe://other/x")
    }

    @Test func `a trust domain without a bundle, or with an empty one, is refused`() throws {
        let stranger = try TestAuthority("stranger")
        let leaf = try stranger.sign(.init(uris: ["spiffe://stranger/x"]))
        #expect(throws: SVIDError.noBundle(try TrustDomain("stranger"))) {
            try verifier.verify([leaf], at: TestAuthority.now)
        }
        let empty = TrustBundle(trustDomain: try TrustDomain("stranger"), x509Authorities: [])
        #expect(throws: SVIDError.self) {
            try X509SVIDVerifier(bundles: BundleSet([empty])).verify([leaf], at: TestAuthority.now)
        }
    }

    @Test func `a workload can not certify another one`() throws {
        let key = P256.Signing.PrivateKey()
        let workload = try intermediate.sign(.init(), key: key)
        let forged = try Certificate(
            version: .v3, serialNumber: .init(), publicKey: .init(P256.Signing.PrivateKey().publicKey),
            notValidBefore: TestAuthority.now - 30, notValidAfter: TestAuthority.now + 60,
            // Another name than the workload's, which has none: of one name they would be refused for that.
            issuer: workload.subject, subject: DistinguishedName { CommonName("admin") },
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
                Critical(SubjectAlternativeNames([.uniformResourceIdentifier("spiffe://td/admin")]))
            },
            issuerPrivateKey: .init(key),
        )
        let error = try #require(throws: SVIDError.self) {
            try verifier.verify([forged, workload, intermediate.certificate], at: TestAuthority.now)
        }
        guard case .untrusted(let id, let reason) = error else {
            Issue.record("refused for another reason: \(error)")
            return
        }
        #expect(id.path == "admin" && reason == "number 1 of the chain signs without being an authority")
    }

    @Test func `an intermediate without keyCertSign is refused`() throws {
        let weak = try TestAuthority("td", under: root, keyCertSign: false)
        let chain = [try weak.sign(.init()), weak.certificate]
        let id = try SPIFFEID("spiffe://td/weather-agent")
        #expect(throws: SVIDError.untrusted(id, reason: "number 1 of the chain signs without keyCertSign")) {
            try verifier.verify(chain, at: TestAuthority.now)
        }
    }

    @Test func `an intermediate that is no authority is refused, whatever its key usage says`() throws {
        let none = try TestAuthority("td", under: root, isAuthority: false)
        let chain = [try none.sign(.init()), none.certificate]
        let id = try SPIFFEID("spiffe://td/weather-agent")
        #expect(throws: SVIDError.untrusted(id, reason: "number 1 of the chain signs without being an authority")) {
            try verifier.verify(chain, at: TestAuthority.now)
        }
    }

    @Test(arguments: [
        (-3600.0...(-1), "has run out"), (1...3600.0, "is not valid yet; compare the clocks"),
    ])
    func `an intermediate, and a root, outside its time vouches for nobody`(
        _ validity: ClosedRange<TimeInterval>, _ reason: String,
    ) throws {
        let id = try SPIFFEID("spiffe://td/weather-agent")
        let lower = try TestAuthority("td", under: root, validity: validity)
        #expect(throws: SVIDError.untrusted(id, reason: "number 1 of the chain \(reason)")) {
            try verifier.verify([lower.sign(.init()), lower.certificate], at: TestAuthority.now)
        }
        let over = try TestAuthority("td", validity: validity)
        let below = try TestAuthority("td", under: over)
        let trusting = X509SVIDVerifier(bundles: BundleSet([over.bundle]))
        #expect(throws: SVIDError.untrusted(id, reason: "number 2 of the chain \(reason)")) {
            try trusting.verify([below.sign(.init()), below.certificate], at: TestAuthority.now)
        }
        #expect(throws: SVIDError.untrusted(id, reason: "number 1 of the chain \(reason)")) {
            try trusting.verify([over.sign(.init())], at: TestAuthority.now)
        }
    }

    @Test func `a path longer than the root allows is refused`() throws {
        let below = try TestAuthority("td", under: intermediate)
        let chain = [try below.sign(.init()), below.certificate, intermediate.certificate]
        let id = try SPIFFEID("spiffe://td/weather-agent")
        #expect(
            throws: SVIDError.untrusted(id, reason: "number 2 of the chain allows 0 authorities below it, there are 1")
        ) {
            try verifier.verify(chain, at: TestAuthority.now)
        }
    }

    @Test func `an SVID wants the key its certificate is for`() throws {
        let key = P256.Signing.PrivateKey()
        let chain = [try intermediate.sign(.init(), key: key), intermediate.certificate]
        #expect(try X509SVID(chain: chain, privateKey: key).id.path == "weather-agent")
        #expect(throws: SVIDError.keyMismatch) { try X509SVID(chain: chain, privateKey: .init()) }
    }
}
