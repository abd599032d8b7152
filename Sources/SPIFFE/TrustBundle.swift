package import Crypto
import Limits
package import X509

/// The public keys of one trust domain: who may sign its X.509-SVIDs and JWT-SVIDs.
///
/// Trust Domain and Bundle standard, section 4. Coded as its JWKS document, see `TrustBundle+JWKS.swift`.
package struct TrustBundle: Sendable, Equatable {
    package let trustDomain: TrustDomain
    package var x509Authorities: [Certificate]
    /// By key id.
    package var jwtAuthorities: [String: P256.Signing.PublicKey]
    /// Grows with each change of content.
    package var sequence: UInt64
    /// How often a consumer should look for a new one.
    package var refreshHint: Duration

    package init(
        trustDomain: TrustDomain,
        x509Authorities: [Certificate],
        jwtAuthorities: [String: P256.Signing.PublicKey] = [:],
        sequence: UInt64 = 1,
        refreshHint: Duration = Limits.SVID.bundleRefresh,
    ) {
        self.trustDomain = trustDomain
        self.x509Authorities = x509Authorities
        self.jwtAuthorities = jwtAuthorities
        self.sequence = sequence
        self.refreshHint = refreshHint
    }

    package static func == (left: TrustBundle, right: TrustBundle) -> Bool {
        left.trustDomain == right.trustDomain && left.x509Authorities == right.x509Authorities
            && left.sequence == right.sequence && left.refreshHint == right.refreshHint
            && left.jwtAuthorities.mapValues(\.rawRepresentation) == right.jwtAuthorities.mapValues(\.rawRepresentation)
    }
}

/// The bundles this process trusts, one a trust domain.
package struct BundleSet: Sendable, Equatable {
    private var bundles: [TrustDomain: TrustBundle]

    package init(_ bundles: [TrustBundle] = []) {
        self.bundles = Dictionary(bundles.map { ($0.trustDomain, $0) }, uniquingKeysWith: { _, last in last })
    }

    package subscript(domain: TrustDomain) -> TrustBundle? { bundles[domain] }
}
