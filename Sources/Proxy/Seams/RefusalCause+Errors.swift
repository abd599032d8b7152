import Gateway
import Limits
import SPIFFE

extension RefusalCause {
    /// What stopped a connection or a request, whatever was thrown.
    init(of error: any Error) {
        self =
            switch error {
            case let refusal as Refusal: refusal.cause
            case let error as ProxyError: error.cause
            case is SlotRefusal: .tooManyConnections
            default: .unavailable
            }
    }
}

extension ProxyError {
    var cause: RefusalCause {
        switch self {
        case .peerRefused(let cause): cause.asRefusal
        case .peerUnproved: .peerUnproved
        case .handshake: .handshakeFailed
        case .unreachable: .unreachable
        case .nobodyListens, .listensNoMore: .nobodyListens
        case .openerChanged: .openerChanged
        case .placeRefused: .placeNotAllowed
        case .laneChanged: .policyChanged
        case .networkUnbound: .networkNotServed
        case .clientGone: .clientGone
        case .socket, .notBound, .alreadyBound, .tooLate: .unavailable
        }
    }
}

extension PeerDecision.Cause {
    fileprivate var asRefusal: RefusalCause {
        switch self {
        case .ownIdentityGone: .identityDeleted
        case .withdrawn: .svidWithdrawn
        case .unexpected: .peerUnexpected
        case .otherTrustDomain, .noWorkload, .unlisted: .peerNotAllowed
        case .plainText: .plainText
        }
    }
}
