import SwiftASN1
import X509

/// What ``LeafProfile`` cannot see of a chain, and RFC5280Policy leaves out: whoever signs may sign certificates.
struct AuthorityPolicy: VerifierPolicy {
    /// An SVID without a subject has critical names; ``LeafProfile`` reads them and the extended key usage.
    let verifyingCriticalExtensions: [ASN1ObjectIdentifier] = [
        .X509ExtensionID.subjectAlternativeName,
        .X509ExtensionID.extendedKeyUsage,
    ]

    /// X509-SVID standard, section 4.3: keyCertSign is set on signing certificates.
    func chainMeetsPolicyRequirements(chain: UnverifiedCertificateChain) -> PolicyEvaluationResult {
        for authority in chain.dropFirst() {
            guard let usage = try? authority.extensions.keyUsage, usage.keyCertSign else {
                return .failsToMeetPolicy(reason: "\(authority.subject) signs without keyCertSign")
            }
        }
        return .meetsPolicy
    }
}
