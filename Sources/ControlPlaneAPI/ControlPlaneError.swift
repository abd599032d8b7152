import Limits

/// Why a call to the control plane, or to a local socket, gave no answer to work with.
package enum ControlPlaneError: Error, Sendable, CustomStringConvertible {
    /// It answered, and refused.
    case problem(Problem)
    /// No answer came. The caller goes on with what it has and tries again.
    case unreachable(address: String, reason: String)
    /// An answer came that is not of this protocol.
    case unexpected(address: String, status: UInt, reason: String)

    /// How long it asks to wait; bounded, as it is somebody else's word.
    package var wait: Duration? {
        guard case .problem(let problem) = self, let seconds = problem.retryAfter else { return nil }
        return min(max(.seconds(1), .seconds(seconds)), Limits.Reports.longestWait)
    }

    package var description: String {
        switch self {
        case .problem(let problem):
            problem.description
        case .unreachable(let address, let reason):
            "no answer from \(address): \(reason); does it run there, with a certificate of the expected authority?"
        case .unexpected(let address, let status, let reason):
            "\(address) answered \(status) with something else than agreed: \(reason); are both of the same version?"
        }
    }
}
