import Crypto
import Foundation
import Issuer
import SPIFFE
import SwiftASN1
import Testing
import X509

@Suite("Certificate authority")
final class CertificateAuthorityTests {
    static let now = Date(timeIntervalSince1970: 1_800_000_000)
    let url = FileManager.default.temporaryDirectory.appending(path: "tidemark-ca-\(UUID().uuidString)")
    let domain: TrustDomain
    let authority: CertificateAuthority
    let id: SPIFFEID

    init() throws {
        domain = try TrustDomain("td")
        id = try SPIFFEID("spiffe://td/weather-agent")
        authority = try CertificateAuthority.open(directory: url, trustDomain: domain, now: Self.now)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    private func issue(
        _ id: SPIFFEID? = nil, lifetime: Duration = .seconds(120), at now: Date = now, dnsNames: [String] = [],
        ipAddresses: [String] = [],
    ) throws -> [Certificate] {
        try authority.issueX509SVID(
            for: id ?? self.id, request: SigningRequest(der: RequestForge().der()), lifetime: lifetime, now: now,
            dnsNames: dnsNames, ipAddresses: ipAddresses)
    }

    private func reopen(at now: Date = now) throws -> CertificateAuthority {
        try CertificateAuthority.open(directory: url, trustDomain: domain, now: now)
    }

    @Test func `a leaf is shaped as the standard wants and its chain proves the identity`() throws {
        let chain = try issue()
        let leaf = try #require(chain.first)
        let extensions = leaf.extensions
        let names = try #require(try extensions.subjectAlternativeNames)
        #expect(chain.count == 2)
        #expect(Array(names) == [.uniformResourceIdentifier("spiffe://td/weather-agent")])
        #expect(extensions[oid: .X509ExtensionID.subjectAlternativeName]?.critical == true)
        #expect(leaf.subject.isEmpty)
        #expect(try extensions.basicConstraints == .notCertificateAuthority)
        #expect(try extensions.keyUsage == KeyUsage(digitalSignature: true))
        #expect(extensions[oid: .X509ExtensionID.keyUsage]?.critical == true)
        #expect(try extensions.extendedKeyUsage == ExtendedKeyUsage([.serverAuth, .clientAuth]))
        #expect(leaf.serialNumber.bytes.count >= 16)
        #expect(leaf.notValidBefore == Self.now - 30)
        #expect(leaf.notValidAfter == Self.now + 120)
        let verifier = X509SVIDVerifier(bundles: BundleSet([authority.bundle(sequence: 1)]))
        #expect(try verifier.verify(chain, at: Self.now) == id)
    }

    @Test func `authorities carry the trust domain's ID and may sign certificates`() throws {
        let root = try #require(authority.bundle(sequence: 1).x509Authorities.first)
        let intermediate = try issue()[1]
        for (certificate, length) in [(root, 1), (intermediate, 0)] {
            #expect(try certificate.extensions.basicConstraints == .isCertificateAuthority(maxPathLength: length))
            #expect(try certificate.extensions.keyUsage?.keyCertSign == true)
            let names = try #require(try certificate.extensions.subjectAlternativeNames)
            #expect(Array(names) == [.uniformResourceIdentifier("spiffe://td")])
        }
        #expect(try Certificate(pemEncoded: authority.rootPEM) == root)
    }

    @Test func `serial numbers do not repeat`() throws {
        let serials = try (0..<50).map { _ in try issue()[0].serialNumber.hexadecimal }
        #expect(Set(serials).count == 50)
    }

    @Test func `a leaf never outlives the intermediate`() throws {
        let leaf = try issue(lifetime: .seconds(100 * 365 * 86_400))[0]
        let intermediate = try issue()[1]
        #expect(leaf.notValidAfter == intermediate.notValidAfter)
        #expect(throws: IssuerError.self) { try issue(at: intermediate.notValidAfter) }
    }

    @Test func `the longest SPIFFE ID and trust domain are issued and verified`() throws {
        let long = try SPIFFEID("spiffe://td/" + String(repeating: "a", count: 2036))
        let verifier = X509SVIDVerifier(bundles: BundleSet([authority.bundle(sequence: 1)]))
        #expect(try verifier.verify(issue(long), at: Self.now) == long)
        let wide = try TrustDomain(String(repeating: "d", count: 255))
        let other = try CertificateAuthority.open(
            directory: url.appending(path: "wide"), trustDomain: wide, now: Self.now)
        let name = try SPIFFEID(trustDomain: wide, path: "x")
        let chain = try other.issueX509SVID(
            for: name, request: SigningRequest(der: RequestForge().der()), lifetime: .seconds(60), now: Self.now)
        let bundles = BundleSet([other.bundle(sequence: 1)])
        #expect(try X509SVIDVerifier(bundles: bundles).verify(chain, at: Self.now) == name)
    }

    @Test func `another trust domain's name and a lifetime of nothing are refused`() throws {
        let foreign = try SPIFFEID("spiffe://other/x")
        #expect(throws: IssuerError.outsideTrustDomain(foreign, domain)) { try issue(foreign) }
        #expect(throws: IssuerError.lifetime(.zero)) { try issue(lifetime: .zero) }
        #expect(throws: IssuerError.outsideTrustDomain(foreign, domain)) {
            try authority.issueJWTSVID(
                for: foreign, audience: ["a"], issuer: "spiffe://td", lifetime: .seconds(60), now: Self.now)
        }
    }

    @Test func `the server's certificate carries host names and addresses too`() throws {
        let leaf = try issue(dnsNames: ["cp.example"], ipAddresses: ["10.0.0.1", "fd00::1", "::", "1:2:3:4:5:6:7:8"])[0]
        let names = try #require(try leaf.extensions.subjectAlternativeNames)
        let v6: (UInt8, UInt8) -> [UInt8] = { first, last in [first] + [UInt8](repeating: 0, count: 14) + [last] }
        let addresses: [[UInt8]] = [
            [10, 0, 0, 1], v6(0xFD, 1), v6(0, 0), [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8],
        ]
        let expected: [GeneralName] =
            [.uniformResourceIdentifier(id.description), .dnsName("cp.example")]
            + addresses.map { .ipAddress(ASN1OctetString(contentBytes: $0[...])) }
        #expect(Array(names) == expected)
    }

    @Test(arguments: [
        "", "10.0.0", "10.0.0.256", "10.0.0.1.2", "10.0.0.-1", "10.0.0.+1", "1:2", "::1::", ":::", "12345::", "g::",
        "cp.example",
        "1:2:3:4:5:6:7:8:9", "1:2:3:4::5:6:7:8", "+1::",
    ])
    func `a text that is no IP address is refused`(_ text: String) {
        #expect(throws: IssuerError.address(text)) { try issue(ipAddresses: [text]) }
    }

    @Test func `a JWT-SVID is valid under the bundle and for its audience`() throws {
        let token = try authority.issueJWTSVID(
            for: id, audience: ["https://as.example/oauth"], issuer: "spiffe://td", lifetime: .seconds(60),
            now: Self.now)
        let bundles = BundleSet([authority.bundle(sequence: 1)])
        let rules = JWTSVID.Rules(audiences: ["https://as.example/oauth"], soleAudience: true)
        #expect(try JWTSVID.verify(token, bundles: bundles, rules: rules, at: Self.now).id == id)
        #expect(throws: IssuerError.audienceMissing) {
            try authority.issueJWTSVID(for: id, audience: [], issuer: "x", lifetime: .seconds(60), now: Self.now)
        }
    }

    @Test func `opening again finds the same authority`() throws {
        let again = try reopen()
        #expect(again.bundle(sequence: 3) == authority.bundle(sequence: 3))
        #expect(try again.rootPEM == authority.rootPEM)
        let files = try FileManager.default.contentsOfDirectory(atPath: url.path).sorted()
        #expect(files == ["intermediate.key", "intermediate.pem", "jwt-svid.key", "root.key", "root.pem"])
        for file in files {
            let attributes = try FileManager.default.attributesOfItem(atPath: url.appending(path: file).path)
            #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600, "\(file)")
        }
    }

    @Test func `an intermediate near its end is renewed and the old leaves stay valid`() throws {
        let old = try issue(lifetime: .seconds(300 * 86_400))
        let later = Self.now + 260 * 86_400
        let renewed = try reopen(at: later)
        let chain = try renewed.issueX509SVID(
            for: id, request: SigningRequest(der: RequestForge().der()), lifetime: .seconds(60), now: later)
        #expect(chain[1] != old[1])
        let verifier = X509SVIDVerifier(bundles: BundleSet([renewed.bundle(sequence: 1)]))
        #expect(try verifier.verify(chain, at: later) == id)
        #expect(try verifier.verify(old, at: later) == id)
        #expect(try verifier.verify([old[0], chain[1]], at: later) == id)
    }

    @Test func `another trust domain's directory is refused`() throws {
        let other = try TrustDomain("other")
        let error = try #require(throws: IssuerError.self) {
            try CertificateAuthority.open(directory: url, trustDomain: other, now: Self.now)
        }
        guard case .otherTrustDomain = error else {
            Issue.record("refused for another reason: \(error)")
            return
        }
    }

    @Test(arguments: ["root.key", "intermediate.key"])
    func `a certificate without its key, or with another one, is refused`(_ file: String) throws {
        let path = url.appending(path: file)
        try FileManager.default.removeItem(at: path)
        #expect(throws: IssuerError.keyMissing(file, certificate: file.replacingOccurrences(of: ".key", with: ".pem")))
        {
            try reopen()
        }
        _ = try KeyDirectory(opening: url).signingKey(file)
        #expect(throws: IssuerError.self) { try reopen() }
    }

    @Test(arguments: ["root.key", "intermediate.key", "jwt-svid.key"])
    func `a key others can read is refused with the remedy`(_ file: String) throws {
        try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: url.appending(path: file).path)
        let error = try #require(throws: IssuerError.self) { try reopen() }
        #expect("\(error)".contains("chmod 0600"))
    }

    @Test func `a start that was interrupted before a certificate was written is finished`() throws {
        try FileManager.default.removeItem(at: url.appending(path: "intermediate.pem"))
        let again = try reopen()
        #expect(again.bundle(sequence: 1) == authority.bundle(sequence: 1))
    }
}
