import Kernel
import SPIFFE
import Workloads

/// What is remembered of a listener that is a workload's, by its cookie: for when nobody can be asked any more who opened it.
struct KnownListener: Equatable, Sendable, Codable {
    /// By which the kernel part knows it; each life of the agent has numbers of its own.
    var number: UInt32
    var workload: WorkloadName
    /// Those that gave it that name.
    var selectors: Set<Selector>
    /// It let plain text by: no secret is lost when it has no identity any more.
    var isPermissive: Bool
}

/// What a policy says of one listener. Pure.
enum ListenerRuling: Equatable {
    case workload(WorkloadName)
    /// Its connections reach it directly.
    case nobodys
    /// Reached by nobody, until it is known whose it is.
    case undecided
    /// It was a workload's, and serves nobody without an identity.
    case closed
    /// Whatever a former agent decided.
    case asItIs

    /// - Parameter known: what is remembered of it; nil: it is not known whose it was.
    static func of(
        _ socket: ListeningSocket, _ outcome: ListenerDecisions.Outcome, known: KnownListener?,
        _ current: EnforcedPolicy,
    ) -> ListenerRuling {
        switch outcome {
        case .workload(let path): return .workload(.fixed(path))
        case .unmanaged: return withoutIdentity(socket, known)
        case .refused: return .undecided
        case .unchanged: return .asItIs
        case .pending:
            // Fail closed: it may be managed, and nobody can say as whom.
            guard let known, current.knows(known.workload) else { return .undecided }
            return .workload(known.workload)
        case .orphaned:
            if socket.identity == .none { return .nobodys }
            guard let known else { return socket.wasManaged ? .closed : .undecided }
            // Who opened it may be one of those whom a narrower selector leaves out.
            guard current.knows(known.workload), known.selectors.isSubset(of: current.selectors(giving: known.workload))
            else { return withoutIdentity(socket, known) }
            return .workload(known.workload)
        }
    }

    /// It let in nobody but by mutual TLS until now, and is nobody's any more.
    private static func withoutIdentity(_ socket: ListeningSocket, _ known: KnownListener?) -> ListenerRuling {
        socket.wasManaged && known?.isPermissive != true ? .closed : .nobodys
    }
}

extension ListeningSocket {
    /// By this agent, or by one before it.
    fileprivate var wasManaged: Bool { ![.none, .undecided, .unknown].contains(identity) }
}
