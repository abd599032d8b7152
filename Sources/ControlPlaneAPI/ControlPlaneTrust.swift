import NIOSSL
package import SPIFFE

/// Which authorities may have signed the control plane's certificate.
package enum ControlPlaneTrust: Sendable {
    /// Before the first attestation: the PEM file an operator carried over (`bundle.pem` of the control plane).
    case caPEM(String)
    /// Afterwards: the trust domain's own authorities.
    case bundle(TrustBundle)

    func roots() throws -> [NIOSSLCertificate] {
        switch self {
        case .caPEM(let text): try NIOSSLCertificate.fromPEMBytes(Array(text.utf8))
        case .bundle(let bundle):
            try bundle.x509Authorities.map { try NIOSSLCertificate(bytes: $0.derBytes(), format: .der) }
        }
    }
}
