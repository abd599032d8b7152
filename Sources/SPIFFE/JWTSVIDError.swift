package import Foundation

/// Why a text is no JWT-SVID that is valid here.
package enum JWTSVIDError: Error, Equatable, CustomStringConvertible {
    case form(JWSError)
    case type(String)
    case claim(String)
    case subject(SPIFFEIDError)
    case noBundle(TrustDomain)
    case keyIDMissing
    case keyUnknown(String, TrustDomain)
    case signature(SPIFFEID)
    case expired(Date)
    case notYetValid(Date)
    case lifetime(seconds: Int)
    case audience([String])

    package var description: String {
        switch self {
        case .form(let error): "\(error)"
        case .type(let type): "typ is \"\(type)\"; a JWT-SVID has JWT, JOSE or none, so this is another kind of token"
        case .claim(let name): "claim \(name) is absent or of the wrong type (JWT-SVID, section 3)"
        case .subject(let error): "sub is no SPIFFE ID: \(error)"
        case .noBundle(let domain):
            "no bundle is known for trust domain \(domain); federate with it, or expect this refusal"
        case .keyIDMissing: "kid is absent; the issuer has to name the key it signed with"
        case .keyUnknown(let id, let domain):
            "trust domain \(domain) has no JWT-SVID key \"\(id)\"; fetch its bundle again if it rotated just now"
        case .signature(let id): "the signature of \(id)'s token is not made by the key it names"
        case .expired(let date): "expired at \(date); ask for a new one"
        case .notYetValid(let date): "not valid before \(date); compare the clocks"
        case .lifetime(let seconds): "valid for \(seconds) s, longer than is taken here; ask for a shorter one"
        case .audience(let found):
            "meant for \(found.joined(separator: ", ")); ask for one with this server's issuer as aud"
        }
    }
}
