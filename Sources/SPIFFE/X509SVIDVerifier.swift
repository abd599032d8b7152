package import Foundation
import Limits
import SwiftASN1
package import X509

/// Checks a presented chain: the one path it spells out, to the bundle of the leaf's own trust domain, then the SPIFFE
/// leaf profile.
///
/// Never looks at the system's trust store, and never searches: what is presented in another order than leaf, issuer,
/// issuer of the issuer is refused. X509-SVID standard, section 5; decision 13.
package struct X509SVIDVerifier: Sendable {
    package let bundles: BundleSet

    package init(bundles: BundleSet) {
        self.bundles = bundles
    }

    /// - Parameters:
    ///   - chain: DER, leaf first, as the peer sent it. Not read where it is too long.
    ///   - now: the moment of validity.
    /// - Returns: whom the chain proves.
    package func verify(der chain: [[UInt8]], at now: Date) throws(SVIDError) -> VerifiedPeer {
        try Self.checkBounds(count: chain.count, bytes: chain.reduce(0) { $0 + $1.count })
        var certificates: [Certificate] = []
        for der in chain {
            do { certificates.append(try Certificate(derEncoded: der)) } catch { throw .malformed("encoding") }
        }
        return VerifiedPeer(id: try verify(certificates, at: now), leaf: certificates[0])
    }

    /// The same for a chain that was read already.
    package func verify(_ chain: [Certificate], at now: Date) throws(SVIDError) -> SPIFFEID {
        guard let leaf = chain.first else { throw .chainEmpty }
        try Self.checkBounds(count: chain.count, bytes: 0)
        try Self.checkRepeats(chain)
        let id = try LeafProfile.identity(of: leaf)
        guard let bundle = bundles[id.trustDomain] else { throw .noBundle(id.trustDomain) }
        do throws(CertificatePath.Objection) {
            try CertificatePath(presented: chain, authorities: bundle.x509Authorities).check(at: now)
        } catch {
            throw .untrusted(id, reason: "\(error)")
        }
        return id
    }

    /// Before anything is read: more is refused unread.
    package static func checkBounds(count: Int, bytes: Int) throws(SVIDError) {
        guard count > 0 else { throw .chainEmpty }
        guard count <= Limits.CertificateChain.certificates else { throw .chainLength(certificates: count) }
        guard bytes <= Limits.CertificateChain.bytes else { throw .chainBytes(bytes) }
    }

    /// An honest chain has one certificate a name and a key; several are how path builders are kept busy.
    private static func checkRepeats(_ chain: [Certificate]) throws(SVIDError) {
        guard Set(chain.map(\.subject)).count == chain.count else { throw .chainRepeats("subject") }
        guard Set(chain.map(\.publicKey)).count == chain.count else { throw .chainRepeats("key") }
    }
}

/// Whom a chain proved, and the leaf that did.
package struct VerifiedPeer: Sendable, Equatable {
    package let id: SPIFFEID
    package let leaf: Certificate

    package init(id: SPIFFEID, leaf: Certificate) {
        self.id = id
        self.leaf = leaf
    }
}
