package import Foundation
@_spi(FixedExpiryValidationTime) package import X509

/// Checks a presented chain: RFC 5280 path to the bundle of the leaf's own trust domain, then the SPIFFE leaf profile.
///
/// Never looks at the system's trust store. X509-SVID standard, section 5.
package struct X509SVIDVerifier: Sendable {
    package let bundles: BundleSet

    package init(bundles: BundleSet) {
        self.bundles = bundles
    }

    /// - Parameters:
    ///   - chain: leaf first, as the peer sent it.
    ///   - now: the moment of validity.
    /// - Returns: whom the chain proves.
    package func verify(_ chain: [Certificate], at now: Date) async throws(SVIDError) -> SPIFFEID {
        guard let leaf = chain.first else { throw .chainEmpty }
        let id = try LeafProfile.identity(of: leaf)
        guard let bundle = bundles[id.trustDomain] else { throw .noBundle(id.trustDomain) }
        var verifier = Verifier(rootCertificates: CertificateStore(bundle.x509Authorities)) {
            RFC5280Policy(fixedExpiryValidationTime: now)
            AuthorityPolicy()
        }
        let result = await verifier.validate(
            leaf: leaf,
            intermediates: CertificateStore(chain.dropFirst()),
        )
        switch result {
        case .validCertificate: return id
        case .couldNotValidate(let failures):
            let reasons = failures.map { "\($0.policyFailureReason)" }.joined(separator: "; ")
            throw .untrusted(id, reason: reasons.isEmpty ? "no path to a known authority" : reasons)
        }
    }
}
