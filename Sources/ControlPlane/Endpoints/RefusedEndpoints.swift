import ControlPlaneAPI
import Foundation
import Limits
import SPIFFE
import Synchronization

/// What agents reported last that was not taken, for `status`; and what the audit was told of it within the hour.
package final class RefusedEndpoints: Sendable {
    private struct OfAgent {
        var refused: [RefusedEndpoint] = []
        var told: [String: Date] = [:]
    }

    private let agents = Mutex<[SPIFFEID: OfAgent]>([:])

    package init() {}

    /// Bounded by the agents there are, and for each by ``Limits/Endpoints/toldOfAgent``.
    var all: [SPIFFEID: [RefusedEndpoint]] { agents.withLock { $0.mapValues(\.refused) } }

    func forget(_ agent: SPIFFEID) { agents.withLock { $0[agent] = nil } }

    /// - Parameter isWhole: the agent tells everything anew.
    func note(_ refused: [RefusedEndpoint], of agent: SPIFFEID, isWhole: Bool) {
        agents.withLock { agents in
            let former = isWhole ? [] : agents[agent]?.refused ?? []
            let all = former.filter { !refused.contains($0) } + refused
            agents[agent, default: OfAgent()].refused = Array(all.suffix(Limits.Endpoints.toldOfAgent))
        }
    }

    /// Whether the audit is to be told: once an hour of each kind, and no more kinds than are remembered.
    func shouldTell(_ kind: String, of agent: SPIFFEID, at now: Date) -> Bool {
        agents.withLock { agents in
            var told = agents[agent, default: OfAgent()].told.filter { now.timeIntervalSince($0.value) < 3600 }
            defer { agents[agent, default: OfAgent()].told = told }
            guard told[kind] == nil, told.count < Limits.Endpoints.toldOfAgent else { return false }
            told[kind] = now
            return true
        }
    }
}
