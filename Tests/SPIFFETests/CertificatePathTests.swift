import Crypto
import Foundation
import Limits
import SPIFFE
import SwiftASN1
import Testing
import X509

/// What a stranger, or a careless authority, may send as a chain.
@Suite("Certificate path")
struct CertificatePathTests {
    let root: TestAuthority
    let verifier: X509SVIDVerifier

    init() throws {
        root = try TestAuthority("td")
        verifier = X509SVIDVerifier(bundles: BundleSet([root.bundle]))
    }

    private func error(_ chain: [Certificate]) throws -> SVIDError {
        try #require(throws: SVIDError.self) { try verifier.verify(chain, at: TestAuthority.now) }
    }

    private func der(_ chain: [Certificate]) throws -> [[UInt8]] {
        try chain.map { certificate in
            var serializer = DER.Serializer()
            try serializer.serialize(certificate)
            return serializer.serializedBytes
        }
    }

    @Test(arguments: [8, 9, 20, 40])
    func `self-made intermediates with one name and one key are refused by their number`(_ count: Int) throws {
        let chain = try SelfMadeChain(intermediates: count).certificates
        #expect(try error(chain) == .chainLength(certificates: count + 1))
        let bytes = try der(chain)
        let refusal = try #require(throws: SVIDError.self) { try verifier.verify(der: bytes, at: TestAuthority.now) }
        #expect(refusal == .chainLength(certificates: count + 1))
    }

    @Test func `few of them are refused for their name, and with names of their own for their key`() throws {
        #expect(try error(SelfMadeChain(intermediates: 2).certificates) == .chainRepeats("subject"))
        #expect(try error(SelfMadeChain(intermediates: 3).certificates) == .chainRepeats("subject"))
        #expect(try error(SelfMadeChain(intermediates: 3, oneName: false).certificates) == .chainRepeats("key"))
    }

    @Test func `a chain with more bytes than are read is refused unread`() throws {
        let padding = [GeneralName](repeating: .dnsName(String(repeating: "a", count: 1 << 10)), count: 16)
        let chain = try der([root.sign(.init(otherNames: padding))])
        let error = try #require(throws: SVIDError.self) { try verifier.verify(der: chain, at: TestAuthority.now) }
        #expect(error == .chainBytes(chain[0].count))
        let garbage = [[UInt8]](repeating: [UInt8](repeating: 0x30, count: 8 << 10), count: 3)
        #expect(throws: SVIDError.chainBytes(24 << 10)) { try verifier.verify(der: garbage, at: TestAuthority.now) }
    }

    @Test func `what cannot be read is refused`() throws {
        #expect(throws: SVIDError.malformed("encoding")) {
            try verifier.verify(der: [[0x30, 0]], at: TestAuthority.now)
        }
    }

    @Test func `a chain of which a byte was changed is nobody's`() throws {
        let lower = try TestAuthority("td", under: root)
        let chain = try der([lower.sign(.init()), lower.certificate])
        #expect(try verifier.verify(der: chain, at: TestAuthority.now).id.description == "spiffe://td/weather-agent")
        for (number, certificate) in chain.enumerated() {
            let unused = try #require(Self.unusedBits(certificate))
            for place in certificate.indices where place != unused {
                var changed = chain
                changed[number][place] ^= 1 << UInt8.random(in: 0..<8)
                #expect(throws: SVIDError.self, "byte \(place) of \(changed)") {
                    try verifier.verify(der: changed, at: TestAuthority.now)
                }
            }
        }
    }

    /// Where the signature, the bit string at the end, says how many of its last bits are not used. swift-certificates
    /// does not look at it, and nothing rests on it: the signature is the sequence behind it.
    private static func unusedBits(_ certificate: [UInt8]) -> Int? {
        certificate.indices.dropLast(2)
            .last {
                certificate[$0...].starts(with: [0x03, UInt8(truncatingIfNeeded: certificate.count - $0 - 2), 0, 0x30])
            }
            .map { $0 + 2 }
    }

    @Test func `four certificates, the root among them, are read`() throws {
        let upper = try TestAuthority("td", under: root)
        let lower = try TestAuthority("td", under: upper)
        let chain = [try lower.sign(.init()), lower.certificate, upper.certificate, root.certificate]
        #expect(chain.count == Limits.CertificateChain.certificates)
        #expect(try verifier.verify(der: der(chain), at: TestAuthority.now).id.path == "weather-agent")
        #expect(try verifier.verify(chain.dropLast(), at: TestAuthority.now).path == "weather-agent")
    }

    @Test func `what is not in the order of issue is refused, though it could be sorted`() throws {
        let upper = try TestAuthority("td", under: root)
        let lower = try TestAuthority("td", under: upper)
        let leaf = try lower.sign(.init())
        guard case .untrusted = try error([leaf, upper.certificate, lower.certificate]) else {
            Issue.record("refused for another reason")
            return
        }
        let stray = try TestAuthority("td", under: root)
        guard case .untrusted(_, let reason) = try error([leaf, stray.certificate]) else {
            Issue.record("refused for another reason")
            return
        }
        #expect(reason == "number 1 of the chain did not issue number 0")
    }

    @Test func `a root of the same name with another key vouches for nobody`() throws {
        let impostor = try TestAuthority("td")
        let chain = [try impostor.sign(.init()), impostor.certificate]
        #expect(impostor.certificate.subject == root.certificate.subject)
        guard case .untrusted = try error(chain) else {
            Issue.record("refused for another reason")
            return
        }
        guard case .untrusted(_, let reason) = try error([chain[0]]) else {
            Issue.record("refused for another reason")
            return
        }
        #expect(reason == "number 0 of the chain is not signed by the one after it")
    }

    @Test func `an honest authority's certificate below what somebody else signed in its name vouches for nothing`()
        throws
    {
        let upper = try TestAuthority("td", under: root)
        let lower = try TestAuthority("td", under: upper)
        #expect(
            try verifier.verify([lower.sign(.init()), lower.certificate, upper.certificate], at: TestAuthority.now).path
                == "weather-agent")
        let forger = try TestAuthority("td", under: upper, named: lower)
        let upperForger = try TestAuthority("td", under: root, named: upper)
        let underForged = try TestAuthority("td", under: upperForger)
        let forged: [(chain: [Certificate], place: Int)] = [
            ([try forger.sign(.init()), lower.certificate, upper.certificate], 0),
            ([try underForged.sign(.init()), underForged.certificate, upper.certificate], 1),
            ([try upperForger.sign(.init()), upper.certificate], 0),
        ]
        for (chain, place) in forged {
            guard case .untrusted(_, let reason) = try error(chain) else {
                Issue.record("refused for another reason")
                continue
            }
            #expect(reason == "number \(place) of the chain is not signed by the one after it")
        }
    }

    @Test func `both roots of a change vouch, with the new one cross-signed by the old`() throws {
        let new = try TestAuthority("new")
        let crossed = try root.cross(new)
        let leaf = try new.sign(.init())
        #expect(try verifier.verify([leaf, crossed], at: TestAuthority.now).path == "weather-agent")
        let bundle = TrustBundle(trustDomain: try TrustDomain("td"), x509Authorities: [new.certificate])
        let later = X509SVIDVerifier(bundles: BundleSet([bundle]))
        #expect(try later.verify([leaf, crossed], at: TestAuthority.now).path == "weather-agent")
        let both = bundle.x509Authorities + root.bundle.x509Authorities
        let meanwhile = X509SVIDVerifier(
            bundles: BundleSet([TrustBundle(trustDomain: bundle.trustDomain, x509Authorities: both)]))
        #expect(try meanwhile.verify([leaf], at: TestAuthority.now).path == "weather-agent")
    }

    @Test func `a critical extension nobody knows here is refused, in an authority too`() throws {
        let unknown = Certificate.Extension(oid: [1, 2, 3, 4], critical: true, value: [5, 0])
        let odd = try TestAuthority("td", under: root, adding: unknown)
        guard case .untrusted(_, let reason) = try error([try odd.sign(.init()), odd.certificate]) else {
            Issue.record("refused for another reason")
            return
        }
        #expect(reason.contains("critical extension 1.2.3.4"))
    }

    @Test(arguments: [
        (["td"], [], true), ([".td"], [], false), (["other"], [], false), ([], ["td"], false), ([], ["other"], true),
    ])
    func `name constraints hold for trust domains`(
        _ permitted: [String], _ forbidden: [String], _ isAllowed: Bool,
    ) throws {
        let constraints = NameConstraints(
            permittedURIDomains: NameConstraints.URIDomains(permitted),
            forbiddenURIDomains: NameConstraints.URIDomains(forbidden))
        let bound = try TestAuthority("td", under: root, adding: Certificate.Extension(constraints, critical: true))
        let chain = [try bound.sign(.init()), bound.certificate]
        if isAllowed {
            #expect(try verifier.verify(chain, at: TestAuthority.now).path == "weather-agent")
        } else {
            let id = try SPIFFEID("spiffe://td/weather-agent")
            #expect(throws: Self.excluded(id)) { try verifier.verify(chain, at: TestAuthority.now) }
        }
    }

    private static func excluded(_ id: SPIFFEID) -> SVIDError {
        .untrusted(id, reason: "number 0 of the chain has a name that the name constraints of number 1 exclude")
    }

    @Test(arguments: [
        ([".td"], [], true), ([".TD"], [], true), ([".b.td"], [], false), ([], [".td"], false), (["td"], [], false),
    ])
    func `name constraints of a domain hold for what is below it`(
        _ permitted: [String], _ forbidden: [String], _ isAllowed: Bool,
    ) throws {
        let top = try TestAuthority("a.td")
        let constraints = NameConstraints(
            permittedURIDomains: NameConstraints.URIDomains(permitted),
            forbiddenURIDomains: NameConstraints.URIDomains(forbidden))
        let bound = try TestAuthority("a.td", under: top, adding: Certificate.Extension(constraints, critical: true))
        let chain = [try bound.sign(.init(uris: ["spiffe://a.td/x"])), bound.certificate]
        let trusting = X509SVIDVerifier(bundles: BundleSet([top.bundle]))
        if isAllowed {
            #expect(try trusting.verify(chain, at: TestAuthority.now).path == "x")
        } else {
            let id = try SPIFFEID("spiffe://a.td/x")
            #expect(throws: Self.excluded(id)) { try trusting.verify(chain, at: TestAuthority.now) }
        }
    }

    @Test func `a name of a form that is not compared is refused where a constraint has that form`() throws {
        let constraints = [
            NameConstraints(permittedEmailAddresses: ["example.com"]),
            NameConstraints(excludedDNSDomains: ["other.example"], excludedEmailAddresses: ["evil.example"]),
        ]
        let id = try SPIFFEID("spiffe://td/weather-agent")
        for constraint in constraints {
            let bound = try TestAuthority("td", under: root, adding: Certificate.Extension(constraint, critical: true))
            let chain = [try bound.sign(.init(otherNames: [.rfc822Name("a@example.com")])), bound.certificate]
            #expect(throws: Self.excluded(id)) { try verifier.verify(chain, at: TestAuthority.now) }
            #expect(try verifier.verify([bound.sign(.init()), bound.certificate], at: TestAuthority.now) == id)
            let address = try bound.sign(.init(otherNames: [.dnsName("example.com")]))
            #expect(try verifier.verify([address, bound.certificate], at: TestAuthority.now) == id)
        }
    }

    @Test func `a DNS name that name constraints exclude is refused`() throws {
        let constraints = NameConstraints(excludedDNSDomains: ["example.com"])
        let bound = try TestAuthority("td", under: root, adding: Certificate.Extension(constraints, critical: true))
        for (name, isAllowed) in [("example.com", false), ("a.EXAMPLE.com", false), ("notexample.com", true)] {
            let chain = [try bound.sign(.init(otherNames: [.dnsName(name)])), bound.certificate]
            let id = try? verifier.verify(chain, at: TestAuthority.now)
            #expect((id != nil) == isAllowed, "\(name)")
        }
    }

    @Test func `a DNS name outside name constraints is refused`() throws {
        let constraints = NameConstraints(permittedDNSDomains: ["example.com"])
        let bound = try TestAuthority("td", under: root, adding: Certificate.Extension(constraints, critical: true))
        for (name, isAllowed) in [("example.com", true), ("a.example.com", true), ("notexample.com", false)] {
            let chain = [try bound.sign(.init(otherNames: [.dnsName(name)])), bound.certificate]
            let id = try? verifier.verify(chain, at: TestAuthority.now)
            #expect((id != nil) == isAllowed, "\(name)")
        }
    }
}

/// The attack: authorities a stranger made, all of which could have issued each other, below nothing that is trusted.
struct SelfMadeChain {
    let certificates: [Certificate]

    init(intermediates: Int, oneName: Bool = true) throws {
        let key = P256.Signing.PrivateKey()
        func name(_ number: Int) throws -> DistinguishedName {
            try DistinguishedName { CommonName(oneName ? "td root" : "td \(number)") }
        }
        let authorities = try (1...intermediates).map { number in
            try Certificate(
                version: .v3, serialNumber: .init(), publicKey: .init(key.publicKey),
                notValidBefore: TestAuthority.now - 60, notValidAfter: TestAuthority.now + 60,
                issuer: name(number + 1), subject: name(number), signatureAlgorithm: .ecdsaWithSHA256,
                extensions: Certificate.Extensions {
                    Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
                    Critical(KeyUsage(keyCertSign: true))
                    SubjectAlternativeNames([.uniformResourceIdentifier("spiffe://td/\(number)")])
                },
                issuerPrivateKey: .init(key),
            )
        }
        let leaf = try Certificate(
            version: .v3, serialNumber: .init(), publicKey: .init(P256.Signing.PrivateKey().publicKey),
            notValidBefore: TestAuthority.now - 60, notValidAfter: TestAuthority.now + 60,
            issuer: name(1), subject: DistinguishedName {}, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
                Critical(SubjectAlternativeNames([.uniformResourceIdentifier("spiffe://td/weather-agent")]))
            },
            issuerPrivateKey: .init(key),
        )
        certificates = [leaf] + authorities
    }
}
