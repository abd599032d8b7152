import NIOCore
package import SPIFFE

/// Why the proxy did not carry something.
package enum ProxyError: Error, CustomStringConvertible {
    case socket(operation: String, address: String, errno: CInt)
    case notBound
    case alreadyBound(cookie: UInt64)
    case networkUnbound(cookie: UInt64)
    case tooLate(String, limit: Duration)
    case peerRefused(PeerDecision.Cause)
    /// Its certificates, or its key, prove nothing.
    case peerUnproved(String)
    /// - Parameter address: as the client dialled it.
    case nobodyListens(address: String)
    case listensNoMore(SPIFFEID)
    /// The process is not any more who opened the connection.
    case openerChanged(String)
    /// Nobody managed is there, and it may not be reached otherwise.
    case placeRefused(String, String)
    case handshake(String)
    case unreachable(address: String, reason: String)
    case clientGone
    case laneChanged

    package var description: String {
        switch self {
        case .socket(let operation, let address, let errno):
            "\(operation) \(address) failed (errno \(errno)); is another program at that address, or a limit reached?"
        case .notBound:
            "the proxy has no listeners; call bind before run"
        case .alreadyBound(let cookie):
            "network \(cookie) is served already; unbind it first"
        case .networkUnbound(let cookie):
            "network \(cookie) is not served any more: its last managed process ended"
        case .tooLate(let what, let limit):
            "\(what) took longer than \(limit); see the agent's log for what it waits for"
        case .peerRefused(let cause):
            "\(cause)"
        case .peerUnproved(let reason), .openerChanged(let reason):
            reason
        case .nobodyListens(let address):
            "no managed workload listens at \(address)"
        case .listensNoMore(let workload):
            "\(workload) does not listen there any more"
        case .placeRefused(let place, let reason):
            "\(place) may not be reached: \(reason)"
        case .handshake(let reason):
            "the TLS handshake failed: \(reason)"
        case .unreachable(let address, let reason):
            "\(address) does not answer: \(reason); is the workload listening there?"
        case .clientGone:
            "the client closed the connection before it was established"
        case .laneChanged:
            "a protected resource was declared or deleted at this address; connect again"
        }
    }
}
