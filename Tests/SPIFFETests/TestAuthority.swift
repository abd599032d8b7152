import Crypto
import Foundation
import SPIFFE
import SwiftASN1
import X509

/// A certificate authority that signs whatever a test asks it to, proper or not.
struct TestAuthority {
    static let now = Date(timeIntervalSince1970: 1_800_000_000)

    let key = P256.Signing.PrivateKey()
    let certificate: Certificate
    let bundle: TrustBundle

    /// - Parameters:
    ///   - parent: nil: a root.
    ///   - model: whose name it takes.
    ///   - validity: in seconds from now.
    init(
        _ domain: String, under parent: TestAuthority? = nil, isAuthority: Bool = true, keyCertSign: Bool = true,
        pathLength: Int? = nil, adding further: Certificate.Extension? = nil, named model: TestAuthority? = nil,
        validity: ClosedRange<TimeInterval> = -3600...86_400,
    ) throws {
        var extensions = try Certificate.Extensions {
            Critical(
                isAuthority
                    ? BasicConstraints.isCertificateAuthority(maxPathLength: pathLength) : .notCertificateAuthority)
            Critical(KeyUsage(digitalSignature: !keyCertSign, keyCertSign: keyCertSign))
            SubjectAlternativeNames([.uniformResourceIdentifier("spiffe://\(domain)")])
        }
        if let further { try extensions.append(further) }
        let subject =
            try model?.certificate.subject
            ?? DistinguishedName { CommonName("\(domain) \(parent == nil ? "root" : "below \(UUID())")") }
        certificate = try Certificate(
            version: .v3, serialNumber: .init(), publicKey: .init(key.publicKey),
            notValidBefore: Self.now + validity.lowerBound, notValidAfter: Self.now + validity.upperBound,
            issuer: parent?.certificate.subject ?? subject, subject: subject, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: extensions,
            issuerPrivateKey: .init(parent?.key ?? key),
        )
        bundle = TrustBundle(trustDomain: try TrustDomain(domain), x509Authorities: [certificate])
    }

    /// The other's name and key, certified by this one.
    func cross(_ other: TestAuthority) throws -> Certificate {
        try Certificate(
            version: .v3, serialNumber: .init(), publicKey: other.certificate.publicKey,
            notValidBefore: Self.now - 3600, notValidAfter: Self.now + 86_400,
            issuer: certificate.subject, subject: other.certificate.subject, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: other.certificate.extensions, issuerPrivateKey: .init(key),
        )
    }

    struct Leaf {
        var uris = ["spiffe://td/weather-agent"]
        var otherNames: [GeneralName] = []
        var constraints = BasicConstraints.notCertificateAuthority
        var usage: KeyUsage? = KeyUsage(digitalSignature: true)
        var extendedUsage: [ExtendedKeyUsage.Usage]? = [.serverAuth, .clientAuth]
        var notBefore = TestAuthority.now - 30
        var notAfter = TestAuthority.now + 120
        /// Replaces basic constraints by bytes that are none.
        var brokenConstraints = false
    }

    func sign(_ leaf: Leaf, key leafKey: P256.Signing.PrivateKey = .init()) throws -> Certificate {
        let names = leaf.uris.map { GeneralName.uniformResourceIdentifier($0) } + leaf.otherNames
        var extensions = Certificate.Extensions()
        if leaf.brokenConstraints {
            let oid = ASN1ObjectIdentifier.X509ExtensionID.basicConstraints
            try extensions.append(.init(oid: oid, critical: true, value: [0x30, 0x03, 0x01]))
        } else {
            try extensions.append(.init(leaf.constraints, critical: true))
        }
        if let usage = leaf.usage { try extensions.append(.init(usage, critical: true)) }
        if let usages = leaf.extendedUsage { try extensions.append(.init(ExtendedKeyUsage(usages), critical: false)) }
        if !names.isEmpty { try extensions.append(.init(SubjectAlternativeNames(names), critical: true)) }
        return try Certificate(
            version: .v3, serialNumber: .init(), publicKey: .init(leafKey.publicKey),
            notValidBefore: leaf.notBefore, notValidAfter: leaf.notAfter,
            issuer: certificate.subject, subject: DistinguishedName {}, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: extensions, issuerPrivateKey: .init(key),
        )
    }
}
