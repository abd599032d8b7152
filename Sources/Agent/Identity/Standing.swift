import Proxy
import SPIFFE
import Workloads

/// What a process is now, as far as what it opened before rests on it.
enum Standing: Equatable, Sendable {
    case ended
    /// - Parameter image: execs since it was forked.
    case runs(image: UInt32, as: Who)

    enum Who: Equatable, Sendable {
        case workload(SPIFFEID)
        case nobody
        /// Or not in time.
        case unknown(String)
    }
}

/// Why it is asked again who a process is.
package enum Occasion: Equatable, Sendable {
    case executed, otherCredentials, policy
    /// What the kernel part told was lost.
    case unseen
}

/// What an identity says of connections whose opener cannot be asked any more.
struct AbsentOpeners: Equatable, Sendable {
    /// `connection.keepAcrossExec`.
    var outliveExec: Bool
    /// Who is that workload is not told as it was when they were opened.
    var wouldBeJudgedAnew: Bool
}

extension Standing {
    /// Whether a connection may live on that this process opened: it has to be still who opened it.
    ///
    /// - Returns: why not; nil: it may.
    func objection(to opened: OpenedConnection, on occasion: Occasion, absent: AbsentOpeners) -> String? {
        switch self {
        case .runs(_, .workload(opened.workload)): nil
        // Left to a child, or about to close.
        case .ended:
            absent.wouldBeJudgedAnew ? "\(Occasion.policy), and the process that opened this connection has ended" : nil
        case .runs(let image, _) where absent.outliveExec && image != opened.opener.image:
            absent.wouldBeJudgedAnew
                ? "\(Occasion.policy), and the program that opened this connection runs no more" : nil
        case .runs(_, let who): "\(occasion), and \(who)"
        }
    }
}

extension Occasion: CustomStringConvertible {
    package var description: String {
        switch self {
        case .executed: "the process executed another program"
        case .otherCredentials: "the process changed its uid or gid"
        case .policy: "the policy has other selectors"
        case .unseen: "the process executed another program, or changed its uid or gid"
        }
    }
}

extension Standing.Who: CustomStringConvertible {
    var description: String {
        switch self {
        case .workload(let workload): "the process is \(workload) now"
        case .nobody: "the process has no identity now"
        case .unknown(let reason): "it is not known who the process is now: \(reason)"
        }
    }
}
