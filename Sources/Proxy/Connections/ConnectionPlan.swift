import SPIFFE
import Workloads

/// What is to be done with a connection, as policy has it: decided when one begins, and again where policy has changed.
///
/// Pure, and all that whoever carries connections needs to know of policy.
enum ConnectionPlan: Sendable, Equatable {
    case carry(Carriage)
    /// In the program's own TLS, if that asks for what one of these entries admits.
    case ownTLS([Egress])
    /// Held, as somebody managed may be found there yet; then refused.
    case held(because: String)
    case refused(PeerDecision.Cause)
}

/// How a connection's bytes go to the other host, or come from there.
enum Carriage: Sendable, Equatable {
    enum Lane: Sendable, Equatable {
        /// Bytes as they are.
        case raw
        /// HTTP/1.1, each request decided by itself: protected resources are served there.
        case http
    }

    case mutualTLS(Lane)
    case plainText(Lane, because: String)
}

extension OutboundRoute {
    /// Before anything is known of the far end.
    func plan(for flow: OutboundFlow) -> ConnectionPlan {
        if let cause = rule(for: flow.workload, to: flow.destination).decision(on: .unproved).refusal {
            return .refused(cause)
        }
        // Whoever dialled a managed place gets what was promised there, also where nobody is known to be any more.
        guard let passage, !flow.placeIsKnown else { return .carry(.mutualTLS(lane)) }
        return switch passage {
        case .plain(let reason): .carry(.plainText(.raw, because: reason))
        case .ownTLS(let entries): .ownTLS(entries)
        case .closed(let reason): .held(because: reason)
        }
    }

    var lane: Carriage.Lane { resources.isEmpty ? .raw : .http }
}

extension InboundRoute {
    /// - Parameter beginsTLS: the client, with its first byte.
    func plan(beginsTLS: Bool) -> ConnectionPlan {
        switch rule.decision(on: beginsTLS ? .unproved : .plainText) {
        case .refused(let cause): .refused(cause)
        case .allowed(let reason): .carry(beginsTLS ? .mutualTLS(lane) : .plainText(lane, because: reason))
        }
    }

    var lane: Carriage.Lane { resources.isEmpty ? .raw : .http }
}
