import Crypto
import Foundation
import Limits
import SPIFFE
import SwiftASN1
import X509

/// A signing certificate with its key, as it lies in the key directory: `<name>.key` and `<name>.pem`.
struct Authority: Sendable {
    let certificate: Certificate
    let key: P256.Signing.PrivateKey

    struct Profile {
        let name: String
        let pathLength: Int
        let life: TimeInterval

        static let root = Profile(name: "root", pathLength: 1, life: Limits.SVID.rootLifetime / .seconds(1))
        static let intermediate = Profile(
            name: "intermediate", pathLength: 0, life: Limits.SVID.intermediateLifetime / .seconds(1))

        var keyFile: String { name + ".key" }
        var certificateFile: String { name + ".pem" }
    }

    /// Opens or creates. `issuer` nil: self-signed.
    ///
    /// An intermediate in the last third of its life is replaced by a new one over the same key; leaves signed under
    /// the old one stay valid, as both have the same name and key.
    static func open(
        _ profile: Profile, in directory: KeyDirectory, trustDomain: TrustDomain, issuer: Authority?, now: Date,
    ) throws(IssuerError) -> Authority {
        if let found = try stored(profile, in: directory, trustDomain: trustDomain, issuer: issuer) {
            let left = found.certificate.notValidAfter.timeIntervalSince(now)
            guard issuer != nil, left < profile.life / 3 else { return found }
        }
        do {
            let key = try directory.signingKey(profile.keyFile)
            let certificate = try sign(profile, key: key, trustDomain: trustDomain, issuer: issuer, now: now)
            try directory.write(certificate.serializeAsPEM().pemString + "\n", to: profile.certificateFile)
            return Authority(certificate: certificate, key: key)
        } catch let error as KeyDirectoryError { throw .keys(error) } catch { throw .signing("\(error)") }
    }

    private static func stored(
        _ profile: Profile, in directory: KeyDirectory, trustDomain: TrustDomain, issuer: Authority?,
    ) throws(IssuerError) -> Authority? {
        let key: P256.Signing.PrivateKey
        let certificate: Certificate
        do {
            guard let pem = try directory.read(profile.certificateFile) else { return nil }
            guard try directory.read(profile.keyFile) != nil else {
                throw IssuerError.keyMissing(profile.keyFile, certificate: profile.certificateFile)
            }
            key = try directory.signingKey(profile.keyFile)
            certificate = try Certificate(pemEncoded: pem)
        } catch let error as KeyDirectoryError { throw .keys(error) } catch let error as IssuerError {
            throw error
        } catch {
            throw .certificateUnusable(file: profile.certificateFile, reason: "\(error)")
        }
        let authority = Authority(certificate: certificate, key: key)
        try authority.check(profile, in: directory, trustDomain: trustDomain, issuer: issuer)
        return authority
    }

    private func check(
        _ profile: Profile, in directory: KeyDirectory, trustDomain: TrustDomain, issuer: Authority?,
    ) throws(IssuerError) {
        let names = (try? certificate.extensions.subjectAlternativeNames).map(Array.init) ?? []
        guard names == [.uniformResourceIdentifier(trustDomain.uri)] else {
            let found = names.map { "\($0)" }.joined(separator: ", ")
            throw .otherTrustDomain(configured: trustDomain, found: found, directory: directory.url.path)
        }
        guard certificate.publicKey == Certificate.PublicKey(key.publicKey) else {
            throw .certificateUnusable(file: profile.certificateFile, reason: "\(profile.keyFile) is another key")
        }
        let signer = (issuer ?? self).certificate.publicKey
        guard signer.isValidSignature(certificate.signature, for: certificate) else {
            throw .certificateUnusable(file: profile.certificateFile, reason: "its issuer did not sign it")
        }
    }

    /// X509-SVID standard, section 3.2: cA, keyCertSign, the trust domain's ID without a path.
    private static func sign(
        _ profile: Profile, key: P256.Signing.PrivateKey, trustDomain: TrustDomain, issuer: Authority?, now: Date,
    ) throws -> Certificate {
        let publicKey = Certificate.PublicKey(key.publicKey)
        let identifier = SubjectKeyIdentifier(hash: publicKey)
        let subject = try DistinguishedName {
            OrganizationName("Tidemark")
            // Of the key, so that two authorities never share a name.
            CommonName("\(profile.name) \(Base64URL.encode(identifier.keyIdentifier.prefix(6)))")
        }
        let end = now.addingTimeInterval(profile.life)
        return try Certificate(
            version: .v3,
            serialNumber: .init(),
            publicKey: publicKey,
            notValidBefore: now.addingTimeInterval(-CertificateAuthority.backdating),
            notValidAfter: issuer.map { min(end, $0.certificate.notValidAfter) } ?? end,
            issuer: issuer?.certificate.subject ?? subject,
            subject: subject,
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: profile.pathLength))
                Critical(KeyUsage(keyCertSign: true, cRLSign: true))
                identifier
                AuthorityKeyIdentifier(keyIdentifier: try issuer?.keyIdentifier ?? identifier.keyIdentifier)
                SubjectAlternativeNames([.uniformResourceIdentifier(trustDomain.uri)])
            },
            issuerPrivateKey: Certificate.PrivateKey(issuer?.key ?? key),
        )
    }

    var keyIdentifier: ArraySlice<UInt8> {
        get throws {
            try certificate.extensions.subjectKeyIdentifier?.keyIdentifier
                ?? SubjectKeyIdentifier(hash: certificate.publicKey).keyIdentifier
        }
    }
}
