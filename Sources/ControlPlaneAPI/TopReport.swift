package import Foundation
import Limits
package import Workloads

/// `GET /v1/top`: what this agent's workloads do. Counters only grow, in one life of the agent; rates are differences.
package struct TopReport: Sendable, Codable {
    package var time: Date
    package var kernel: KernelCounters
    /// Of the agent, since it started.
    package var cpuSeconds: Double
    /// Live connections through the proxy.
    package var connectionCount: Int
    package var identities: [Identity]
    /// Those that carried most bytes, the largest first; at most ``maximumConnections``.
    package var connections: [Connection]

    /// By proxy and kernel part, by their cause; docs/cli.md lists them.
    package var refusals: [String: UInt64]

    package static let maximumConnections = Limits.Calls.topConnections

    /// One identity on this host. Bytes and refusals count from the agent's start.
    package struct Identity: Sendable, Codable, Equatable {
        /// As in the manifest; of a template that has no connection yet the template.
        package var workloadID: String
        /// That the kernel part has seen as this.
        package var processes: Int = 0
        /// Live connections.
        package var outbound: Int = 0
        package var inbound: Int = 0
        package var bytesToApplication: UInt64 = 0
        package var bytesFromApplication: UInt64 = 0
        /// By the proxy.
        package var refusals: UInt64 = 0

        package init(workloadID: String) { self.workloadID = workloadID }
    }

    /// One connection through the proxy.
    package struct Connection: Sendable, Codable, Equatable {
        package var id: UInt64
        package var outbound: Bool
        package var process: ProcessKey?
        package var processName: String?
        /// nil: of a process without an identity, which the proxy passes on as it is.
        package var workloadID: String?
        package var peer: String?
        package var source: String
        package var destination: String
        package var bytesToApplication: UInt64
        package var bytesFromApplication: UInt64
        package var startedAt: Date

        package init(
            id: UInt64, outbound: Bool, process: ProcessKey?, processName: String?, workloadID: String?, peer: String?,
            source: String, destination: String, bytesToApplication: UInt64, bytesFromApplication: UInt64,
            startedAt: Date,
        ) {
            self.id = id
            self.outbound = outbound
            self.process = process
            self.processName = processName
            self.workloadID = workloadID
            self.peer = peer
            self.source = source
            self.destination = destination
            self.bytesToApplication = bytesToApplication
            self.bytesFromApplication = bytesFromApplication
            self.startedAt = startedAt
        }
    }

    package init(
        time: Date, kernel: KernelCounters, cpuSeconds: Double, connectionCount: Int, identities: [Identity],
        connections: [Connection], refusals: [String: UInt64] = [:],
    ) {
        self.time = time
        self.kernel = kernel
        self.cpuSeconds = cpuSeconds
        self.connectionCount = connectionCount
        self.identities = identities
        self.connections = connections
        self.refusals = refusals
    }
}
