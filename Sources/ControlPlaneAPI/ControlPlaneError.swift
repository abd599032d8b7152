import Glibc
import Limits
import NIOCore
import NIOSSL

/// Why a call to the control plane, or to a local socket, gave no answer to work with.
package enum ControlPlaneError: Error, Sendable, CustomStringConvertible {
    /// It answered, and refused.
    case problem(Problem)
    /// No answer came. The caller goes on with what it has and tries again.
    case unreachable(address: String, reason: String)
    /// It is there, and closed the connection before TLS stood: as its door does while more strangers come than it has places for.
    /// Whoever comes again soon gets in.
    case turnedAway(address: String, reason: String)
    /// An answer came that is not of this protocol.
    case unexpected(address: String, status: UInt, reason: String)

    /// How long it asks to wait; bounded, as it is somebody else's word.
    package var wait: Duration? {
        guard case .problem(let problem) = self, let seconds = problem.retryAfter else { return nil }
        return min(max(.seconds(1), .seconds(seconds)), Limits.Reports.longestWait)
    }

    /// - Parameter error: why a request got no answer.
    init(noAnswer error: any Error, from address: String) {
        self =
            Self.isOfDoor(error)
            ? .turnedAway(address: address, reason: "\(error)") : .unreachable(address: address, reason: "\(error)")
    }

    private static func isOfDoor(_ error: any Error) -> Bool {
        switch error {
        case NIOSSLError.handshakeFailed(.sslError(let errors)): errors.contains(.eofDuringHandshake)
        case let error as IOError: error.errnoCode == ECONNRESET
        default: false
        }
    }

    package var description: String {
        switch self {
        case .problem(let problem):
            problem.description
        case .unreachable(let address, let reason):
            "no answer from \(address): \(reason); does it run there, with a certificate of the expected authority?"
        case .turnedAway(let address, let reason):
            "\(address) closed the connection before it stood: \(reason); it may have more strangers than places, tried again soon"
        case .unexpected(let address, let status, let reason):
            "\(address) answered \(status) with something else than agreed: \(reason); are both of the same version?"
        }
    }
}
