import Foundation
import Limits
import SPIFFE
import Synchronization

/// What each agent may still cost, so that one that was taken over costs the others nothing.
final class AgentBudgets: Sendable {
    /// What is spent, and comes back with time.
    enum Kind: CaseIterable {
        case requests, bytes, endpoints, issues, streams

        var perSecond: Double {
            switch self {
            case .requests: Double(Limits.Reports.requestsPerSecond)
            case .bytes: Double(Limits.Reports.bytesPerSecond)
            case .endpoints: Double(Limits.Reports.endpointsPerSecond)
            case .issues: Double(Limits.Reports.issuesPerSecond)
            case .streams: Double(Limits.Reports.streamsPerSecond)
            }
        }

        var atOnce: Double {
            switch self {
            case .requests: Double(Limits.Reports.requestsAtOnce)
            case .bytes: Double(Limits.Reports.bytesAtOnce)
            case .endpoints: Double(Limits.Reports.endpointsAtOnce)
            case .issues: Double(Limits.Reports.issuesAtOnce)
            case .streams: Double(Limits.Reports.streamsAtOnce)
            }
        }
    }

    private let agents = Mutex<[SPIFFEID: [Kind: Spending]]>([:])

    /// How many are remembered: those that spent something they have not got back.
    var count: Int { agents.withLock { $0.count } }

    /// Takes so much of each, where there is any. It may be more than there is: then there is nothing for a while.
    ///
    /// - Throws: ``ControlPlaneRefusal/tooMuch(_:retryAfter:)``, having taken nothing.
    func admit(_ amounts: [Kind: Int], of agent: SPIFFEID, at now: Date) throws(ControlPlaneRefusal) {
        let wait = agents.withLock { agents -> Double? in
            let spent = (agents[agent] ?? [:]).mapValues { Spending(amount: $0.amount, at: min($0.at, now)) }
            // Where the clock was set back, time counts from there.
            if !spent.isEmpty { agents[agent] = spent }
            let waits = amounts.keys.map { kind -> Double in
                let left = spent[kind]?.left(of: kind, at: now) ?? kind.atOnce
                return left >= 1 ? 0 : (1 - left) / kind.perSecond
            }
            if let longest = waits.max(), longest > 0 { return longest }
            for (kind, amount) in amounts { agents.spend(Double(amount), kind, of: agent, at: now) }
            return nil
        }
        if let wait { throw .tooMuch(agent, retryAfter: max(1, Int(wait.rounded(.up)))) }
    }

    /// What came. It may be more than was left: then nothing more comes for a while.
    func spend(bytes: Int, of agent: SPIFFEID, at now: Date) {
        agents.withLock { $0.spend(Double(bytes), .bytes, of: agent, at: now) }
    }

    /// Forgets who has everything again.
    func sweep(at now: Date) {
        agents.withLock { agents in
            agents = agents.filter { $0.value.contains { $0.value.left(of: $0.key, at: now) < $0.key.atOnce } }
        }
    }
}

extension Spending {
    fileprivate func left(of kind: AgentBudgets.Kind, at now: Date) -> Double {
        left(perSecond: kind.perSecond, atOnce: kind.atOnce, at: now)
    }
}

extension [SPIFFEID: [AgentBudgets.Kind: Spending]] {
    fileprivate mutating func spend(
        _ amount: Double, _ kind: AgentBudgets.Kind, of agent: SPIFFEID, at now: Date,
    ) {
        let left = self[agent]?[kind]?.left(of: kind, at: now) ?? kind.atOnce
        self[agent, default: [:]][kind] = .init(amount: kind.atOnce - left + amount, at: now)
    }
}
