package import Foundation
package import SPIFFE

/// Why nothing was issued.
package enum IssuerError: Error, Equatable, CustomStringConvertible {
    case requestTooLarge(bytes: Int)
    case requestMalformed(String)
    case requestKey(String)
    case requestUnproven
    case keys(KeyDirectoryError)
    case keyMissing(String, certificate: String)
    case certificateUnusable(file: String, reason: String)
    case otherTrustDomain(configured: TrustDomain, found: String, directory: String)
    case outsideTrustDomain(SPIFFEID, TrustDomain)
    case authorityExpired(Date)
    case audienceMissing
    case lifetime(Duration)
    case address(String)
    case signing(String)

    package var description: String {
        switch self {
        case .requestTooLarge(let bytes):
            "the signing request has \(bytes) bytes, \(SigningRequest.maximumBytes) are read; send PKCS #10 in DER"
        case .requestMalformed(let reason):
            "the signing request is no PKCS #10 in DER: \(reason)"
        case .requestKey(let key):
            "the signing request's key is \(key); use a P-256 key"
        case .requestUnproven:
            "the signing request is not signed with its own key; sign it with the key to be certified"
        case .keys(let error): "\(error)"
        case .keyMissing(let key, let certificate):
            "\(certificate) exists without \(key); restore the key from a backup, or start with an empty directory"
        case .certificateUnusable(let file, let reason):
            "\(file) is not usable: \(reason); restore it from a backup, or start with an empty directory"
        case .otherTrustDomain(let configured, let found, let directory):
            "\(directory) belongs to \(found), the configuration says \(configured); point to the right directory"
        case .outsideTrustDomain(let id, let domain):
            "\(id) is not of trust domain \(domain); only its own control plane can certify it"
        case .authorityExpired(let date):
            "the issuing certificate is not valid at \(date); compare the clock, then restart to renew the certificate"
        case .audienceMissing:
            "a JWT-SVID needs an audience; name whom the token is for"
        case .lifetime(let lifetime):
            "a lifetime of \(lifetime) can not be issued; ask for one second or more"
        case .address(let text):
            "\"\(text)\" is no IP address; write IPv4 dotted or IPv6"
        case .signing(let reason):
            "signing failed: \(reason); are the authority's files intact?"
        }
    }
}
