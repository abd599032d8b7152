package import Workloads

// What `tidemark explain` and `tidemark status --agent` hear from an agent's Unix socket.

/// `GET /v1/explain?pid=N`.
package struct Explanation: Sendable, Codable {
    package var facts: ProcessFacts
    package var match: Match
    /// The SPIFFE ID, where the match names one.
    package var spiffeID: String?
    /// Sentences: what rests on claimed facts, whether the process is inside the attach point, what its last
    /// connections were refused for.
    package var notes: [String]

    package init(facts: ProcessFacts, match: Match, spiffeID: String?, notes: [String]) {
        self.facts = facts
        self.match = match
        self.spiffeID = spiffeID
        self.notes = notes
    }
}

/// `GET /v1/status`.
package struct AgentSelfStatus: Sendable, Codable {
    package var spiffeID: String
    package var version: UInt64
    /// Whether the control plane's stream is up; when it is not, since when and why.
    package var controlPlane: String
    package var identities: Int
    package var svids: Int
    package var connections: Int
    package var auditQueued: Int
    package var auditLost: Int

    package init(
        spiffeID: String, version: UInt64, controlPlane: String, identities: Int, svids: Int, connections: Int,
        auditQueued: Int, auditLost: Int,
    ) {
        self.spiffeID = spiffeID
        self.version = version
        self.controlPlane = controlPlane
        self.identities = identities
        self.svids = svids
        self.connections = connections
        self.auditQueued = auditQueued
        self.auditLost = auditLost
    }
}
