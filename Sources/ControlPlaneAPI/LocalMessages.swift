// What `tidemark status --agent` hears from an agent's Unix socket; further answers are in files of their own.

/// `GET /v1/status`.
package struct AgentSelfStatus: Sendable, Codable {
    package var spiffeID: String
    package var version: UInt64
    /// Whether the control plane's stream is up; when it is not, since when and why.
    package var controlPlane: String
    package var identities: Int
    package var svids: Int
    package var connections: Int
    /// Network namespaces that have the proxy in them, the agent's own among them.
    package var networks: Int
    package var auditQueued: Int
    package var auditLost: Int
    package var kernel: KernelCounters

    package init(
        spiffeID: String, version: UInt64, controlPlane: String, identities: Int, svids: Int, connections: Int,
        networks: Int, auditQueued: Int, auditLost: Int, kernel: KernelCounters,
    ) {
        self.spiffeID = spiffeID
        self.version = version
        self.controlPlane = controlPlane
        self.identities = identities
        self.svids = svids
        self.connections = connections
        self.networks = networks
        self.auditQueued = auditQueued
        self.auditLost = auditLost
        self.kernel = kernel
    }
}

/// What the kernel part has counted since it was first loaded; a new agent goes on counting.
package struct KernelCounters: Sendable, Codable, Equatable {
    package var execs: UInt64 = 0
    package var decisions: UInt64 = 0
    package var redirects: UInt64 = 0
    package var refusals: UInt64 = 0
    /// Processes without a record: they are refused where they meet the kernel part.
    package var processesLost: UInt64 = 0
    /// Listeners without a record: nobody reaches them.
    package var listenersLost: UInt64 = 0
    /// Decisions that could not be made or kept: the process is refused.
    package var decisionsLost: UInt64 = 0
    /// Redirected connections without a record: the proxy refuses them.
    package var flowsLost: UInt64 = 0
    /// What the agent was not told of listeners, processes to be found out and namespaces: it reads them anew then.
    package var eventsLost: UInt64 = 0
    /// What operators were not told at once; refusals are counted all the same.
    package var noticesLost: UInt64 = 0
    /// Connections of managed processes to where nobody is known to be managed, which the proxy was asked about.
    package var unknownPlaces: UInt64 = 0
    package var datagramsRefused: UInt64 = 0

    package init() {}

    /// Each counter of what was lost, by the name it has here; none of them should ever grow.
    package var losses: [(name: String, count: UInt64)] {
        [
            ("processesLost", processesLost), ("listenersLost", listenersLost), ("decisionsLost", decisionsLost),
            ("flowsLost", flowsLost), ("eventsLost", eventsLost),
        ]
    }
}
