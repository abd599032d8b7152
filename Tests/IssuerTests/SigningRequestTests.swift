import Crypto
import Foundation
import Issuer
import SPIFFE
import SwiftASN1
import Testing
import X509

/// Builds signing requests, proper or not.
struct RequestForge {
    let key = P256.Signing.PrivateKey()

    func der(names: [GeneralName] = []) throws -> Data {
        try Self.der(key: .init(key), names: names)
    }

    static func der(
        key: Certificate.PrivateKey, names: [GeneralName] = [],
        algorithm: Certificate.SignatureAlgorithm = .ecdsaWithSHA256,
    ) throws -> Data {
        let wish = try Certificate.Extensions {
            SubjectAlternativeNames(names)
            BasicConstraints.isCertificateAuthority(maxPathLength: nil)
        }
        let attributes = try CertificateSigningRequest.Attributes(
            names.isEmpty ? [] : [.init(ExtensionRequest(extensions: wish))])
        let request = try CertificateSigningRequest(
            version: .v1, subject: DistinguishedName { CommonName("whatever") }, privateKey: key,
            attributes: attributes,
            signatureAlgorithm: algorithm)
        var serializer = DER.Serializer()
        try serializer.serialize(request)
        return Data(serializer.serializedBytes)
    }
}

@Suite("Signing request")
struct SigningRequestTests {
    @Test func `a request with proof of possession gives its key`() throws {
        let forge = RequestForge()
        #expect(try SigningRequest(der: forge.der()).publicKey == .init(forge.key.publicKey))
    }

    @Test func `names and authority asked for in the request are not in the certificate`() throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "tidemark-csr-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: url) }
        let now = Date(timeIntervalSince1970: 1_800_000_000)
        let authority = try CertificateAuthority.open(directory: url, trustDomain: .init("td"), now: now)
        let der = try RequestForge().der(names: [
            .uniformResourceIdentifier("spiffe://td/admin"), .dnsName("evil.example"),
        ])
        let leaf = try authority.issueX509SVID(
            for: .init("spiffe://td/weather-agent"), request: SigningRequest(der: der), lifetime: .seconds(60), now: now
        )[0]
        let names = try #require(try leaf.extensions.subjectAlternativeNames)
        #expect(Array(names) == [.uniformResourceIdentifier("spiffe://td/weather-agent")])
        #expect(try leaf.extensions.basicConstraints == .notCertificateAuthority)
    }

    @Test func `any altered byte of a request is refused`() throws {
        let der = try RequestForge().der()
        // The count of unused bits before the signature is signed by nobody, and read as what it says.
        let unusedBits = try #require(der.lastRange(of: Data([0x00, 0x30])))
        for index in der.indices where index != unusedBits.lowerBound {
            var altered = der
            altered[index] ^= 1
            #expect(throws: IssuerError.self, "byte \(index)") { try SigningRequest(der: altered) }
        }
    }

    @Test func `a request for somebody else's key is refused`() throws {
        let (mine, victim) = (RequestForge(), RequestForge())
        let point = victim.key.publicKey.x963Representation
        let own = mine.key.publicKey.x963Representation
        var der = try mine.der()
        let place = try #require(der.firstRange(of: own))
        der.replaceSubrange(place, with: point)
        #expect(throws: IssuerError.requestUnproven) { try SigningRequest(der: der) }
    }

    @Test func `a key on another curve is refused`() throws {
        let der = try RequestForge.der(key: .init(P384.Signing.PrivateKey()), algorithm: .ecdsaWithSHA384)
        let error = try #require(throws: IssuerError.self) { try SigningRequest(der: der) }
        guard case .requestKey = error else {
            Issue.record("refused for another reason: \(error)")
            return
        }
    }

    @Test func `a cut, extended, empty or oversized request is refused`() throws {
        let der = try RequestForge().der()
        for length in 0..<der.count {
            #expect(throws: IssuerError.self, "\(length) bytes") { try SigningRequest(der: der.prefix(length)) }
        }
        #expect(throws: IssuerError.self) { try SigningRequest(der: der + [0]) }
        let size = SigningRequest.maximumBytes + 1
        #expect(throws: IssuerError.requestTooLarge(bytes: size)) { try SigningRequest(der: Data(count: size)) }
    }
}
