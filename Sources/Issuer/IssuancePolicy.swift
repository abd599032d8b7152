package import SPIFFE

/// The answer, with its reason either way: the audit has both.
package enum IssuanceDecision: Sendable, Equatable {
    case issue(because: String)
    case refuse(because: String)

    package var reason: String {
        switch self {
        case .issue(let reason), .refuse(let reason): reason
        }
    }
}

/// May this agent have an SVID of that name?
package enum IssuancePolicy {
    /// - Parameters:
    ///   - agent: whom the caller's own SVID proves.
    ///   - agentGroup: the group that agent joined.
    ///   - identitiesOfGroup: what manifests give to that group, now.
    package static func decision(
        agent: SPIFFEID, agentGroup: String, requested: SPIFFEID, identitiesOfGroup: Set<SPIFFEID>,
    ) -> IssuanceDecision {
        guard agent.isAgent else {
            return .refuse(because: "\(agent) is no agent; only agents ask for workloads' SVIDs")
        }
        guard requested.trustDomain == agent.trustDomain else {
            return .refuse(because: "\(requested) is not of the agent's trust domain \(agent.trustDomain)")
        }
        guard !requested.isReserved else {
            return .refuse(because: "\(requested) is a name of the control plane, no workload has it")
        }
        guard identitiesOfGroup.contains(requested) else {
            return .refuse(because: "no manifest gives \(requested) to agent group \"\(agentGroup)\"")
        }
        return .issue(because: "a manifest gives \(requested) to agent group \"\(agentGroup)\"")
    }
}
