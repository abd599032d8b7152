import Crypto
package import Foundation
import Limits
package import SPIFFE
import SwiftASN1
package import X509

/// The trust domain's issuer: root, intermediate and JWT-SVID key, all P-256.
package struct CertificateAuthority: Sendable {
    /// No ID of another one is certified.
    package let trustDomain: TrustDomain
    let root: Authority
    let intermediate: Authority
    let jwtKey: P256.Signing.PrivateKey
    let jwtKeyID: String

    /// Seconds a certificate starts before its issue, for clocks that are behind.
    static let backdating: TimeInterval = Limits.SVID.backdating / .seconds(1)

    /// Opens the authority kept in `directory`, or founds one there.
    ///
    /// Files: `root.key`, `root.pem`, `intermediate.key`, `intermediate.pem`, `jwt-svid.key`, each mode 0600.
    package static func open(
        directory: URL, trustDomain: TrustDomain, now: Date,
    ) throws(IssuerError) -> CertificateAuthority {
        do {
            let keys = try KeyDirectory(opening: directory)
            let root = try Authority.open(.root, in: keys, trustDomain: trustDomain, issuer: nil, now: now)
            return CertificateAuthority(
                trustDomain: trustDomain,
                root: root,
                intermediate: try .open(.intermediate, in: keys, trustDomain: trustDomain, issuer: root, now: now),
                jwtKey: try keys.signingKey("jwt-svid.key"),
            )
        } catch let error as KeyDirectoryError { throw .keys(error) } catch let error as IssuerError {
            throw error
        } catch { throw .signing("\(error)") }
    }

    private init(
        trustDomain: TrustDomain, root: Authority, intermediate: Authority, jwtKey: P256.Signing.PrivateKey,
    ) {
        self.trustDomain = trustDomain
        self.root = root
        self.intermediate = intermediate
        self.jwtKey = jwtKey
        jwtKeyID = jwtKey.publicKey.jwkThumbprint
    }

    /// What others verify by: the root, and the JWT-SVID key's public half.
    ///
    /// - Parameter sequence: rises with each change; SPIFFE Trust Domain and Bundle, section 4.1.
    package func bundle(sequence: UInt64) -> TrustBundle {
        TrustBundle(
            trustDomain: trustDomain,
            x509Authorities: [root.certificate],
            jwtAuthorities: [jwtKeyID: jwtKey.publicKey],
            sequence: sequence,
        )
    }

    /// The root certificate, for clients that are not workloads.
    package var rootPEM: String {
        get throws(IssuerError) {
            do { return try root.certificate.serializeAsPEM().pemString + "\n" } catch { throw .signing("\(error)") }
        }
    }

    /// - Parameters:
    ///   - lifetime: cut to what is left of the intermediate's.
    ///   - dnsNames: for the control plane's own server certificate alone, as are `ipAddresses`.
    /// - Returns: leaf first, then the intermediate.
    package func issueX509SVID(
        for id: SPIFFEID, request: SigningRequest, lifetime: Duration, now: Date, dnsNames: [String] = [],
        ipAddresses: [String] = [],
    ) throws(IssuerError) -> [Certificate] {
        try checkIssuable(id, lifetime: lifetime)
        let issuer = intermediate.certificate
        guard issuer.notValidBefore <= now, now < issuer.notValidAfter else { throw .authorityExpired(now) }
        var names: [GeneralName] = [.uniformResourceIdentifier(id.description)]
        names += dnsNames.map { .dnsName($0) }
        for address in ipAddresses { names.append(try IPAddressName.parse(address)) }
        do {
            let leaf = try sign(
                names, key: request.publicKey, until: now.addingTimeInterval(lifetime / .seconds(1)), now: now)
            return [leaf, issuer]
        } catch { throw .signing("\(error)") }
    }

    /// - Parameter issuer: `iss`.
    package func issueJWTSVID(
        for id: SPIFFEID, audience: [String], issuer: String, lifetime: Duration, now: Date,
    ) throws(IssuerError) -> String {
        try checkIssuable(id, lifetime: lifetime)
        guard !audience.isEmpty, !audience.contains("") else { throw .audienceMissing }
        do {
            return try JWTSVID.sign(
                id, audience: audience, issuer: issuer, lifetime: lifetime, now: now, keyID: jwtKeyID, with: jwtKey,
            )
        } catch { throw .signing("\(error)") }
    }

    private func checkIssuable(_ id: SPIFFEID, lifetime: Duration) throws(IssuerError) {
        guard id.trustDomain == trustDomain else { throw .outsideTrustDomain(id, trustDomain) }
        guard lifetime >= .seconds(1) else { throw .lifetime(lifetime) }
    }

    /// X509-SVID standard, sections 2 and 4: without a subject, so the names are critical (RFC 5280, section 4.2.1.6).
    private func sign(
        _ names: [GeneralName], key: Certificate.PublicKey, until end: Date, now: Date
    ) throws -> Certificate {
        try Certificate(
            version: .v3,
            serialNumber: .init(),
            publicKey: key,
            notValidBefore: now.addingTimeInterval(-Self.backdating),
            notValidAfter: min(end, intermediate.certificate.notValidAfter),
            issuer: intermediate.certificate.subject,
            subject: DistinguishedName {},
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
                try ExtendedKeyUsage([.serverAuth, .clientAuth])
                AuthorityKeyIdentifier(keyIdentifier: try intermediate.keyIdentifier)
                Critical(SubjectAlternativeNames(names))
            },
            issuerPrivateKey: Certificate.PrivateKey(intermediate.key),
        )
    }
}
