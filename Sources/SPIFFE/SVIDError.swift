import Limits

/// Why a certificate or a token is not a valid SVID here.
package enum SVIDError: Error, Equatable, CustomStringConvertible {
    case chainEmpty
    case chainLength(certificates: Int)
    case chainBytes(Int)
    /// Two certificates of the chain have the same of this.
    case chainRepeats(String)
    /// The connection closed while its chain waited to be looked at.
    case abandoned
    case keyMismatch
    case uriNames(count: Int)
    case identity(SPIFFEIDError)
    case leafIsAuthority
    case keyUsage(String)
    case extendedKeyUsage(String)
    /// An extension that is there and cannot be read.
    case malformed(String)
    case untrusted(SPIFFEID, reason: String)
    case noBundle(TrustDomain)

    package var description: String {
        switch self {
        case .chainEmpty:
            "the peer presented no certificate; only workloads with an SVID are answered here"
        case .chainLength(let certificates):
            """
            the chain has \(certificates) certificates, \(Limits.CertificateChain.certificates) are read; \
            send the leaf and what lies between it and the root
            """
        case .chainBytes(let bytes):
            "the chain has \(bytes) bytes, \(Limits.CertificateChain.bytes) are read; send smaller certificates"
        case .chainRepeats(let what):
            "two certificates of the chain have the same \(what); send leaf, issuer, issuer of the issuer, once each"
        case .abandoned:
            "the peer closed the connection before its certificate was looked at"
        case .keyMismatch:
            "the certificate was issued for another key; ask for a new SVID with the key in use"
        case .uriNames(let count):
            "the certificate has \(count) URI names, an X.509-SVID has exactly one (X509-SVID, section 2)"
        case .identity(let error):
            "the certificate's URI name is no SPIFFE ID: \(error)"
        case .leafIsAuthority:
            "the certificate is an authority's; a workload's has cA=false (X509-SVID, section 4.1)"
        case .keyUsage(let found):
            "the certificate's key usage is \(found); digitalSignature without keyCertSign and cRLSign is needed"
        case .extendedKeyUsage(let found):
            "the certificate's extended key usage is \(found); serverAuth and clientAuth, or none at all, is needed"
        case .malformed(let name):
            "the certificate's \(name) cannot be read; have it issued again"
        case .untrusted(let id, let reason):
            "\(id) is not signed by an authority of its trust domain, or not valid now: \(reason)"
        case .noBundle(let domain):
            "no bundle is known for trust domain \(domain); federate with it, or expect this refusal"
        }
    }
}
