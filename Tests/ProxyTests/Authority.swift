import Crypto
import Foundation
import SPIFFE
import X509

/// The signing side of one trust domain.
struct Authority: Sendable {
    let trustDomain: TrustDomain
    private let key = P256.Signing.PrivateKey()
    let root: Certificate

    init(_ name: String) throws {
        trustDomain = try TrustDomain(name)
        let subject = try DistinguishedName { CommonName(name) }
        root = try Certificate(
            version: .v3, serialNumber: .init(), publicKey: .init(key.publicKey),
            notValidBefore: Date().addingTimeInterval(-7200), notValidAfter: Date().addingTimeInterval(7200),
            issuer: subject, subject: subject, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
                Critical(KeyUsage(keyCertSign: true))
            },
            issuerPrivateKey: .init(key),
        )
    }

    var bundle: TrustBundle { TrustBundle(trustDomain: trustDomain, x509Authorities: [root]) }

    /// - Parameter notAfter: seconds from now.
    func svid(_ path: String, notAfter: TimeInterval = 3600) throws -> X509SVID {
        let leafKey = P256.Signing.PrivateKey()
        let certificate = try Certificate(
            version: .v3, serialNumber: .init(), publicKey: .init(leafKey.publicKey),
            notValidBefore: Date().addingTimeInterval(min(-60, notAfter - 3600)),
            notValidAfter: Date().addingTimeInterval(notAfter), issuer: root.subject, subject: DistinguishedName {},
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
                try ExtendedKeyUsage([.serverAuth, .clientAuth])
                Critical(SubjectAlternativeNames([.uniformResourceIdentifier("\(trustDomain.uri)/\(path)")]))
            },
            issuerPrivateKey: .init(key),
        )
        return try X509SVID(chain: [certificate], privateKey: leafKey)
    }
}
