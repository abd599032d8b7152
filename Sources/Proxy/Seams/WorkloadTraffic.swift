/// What one local workload sent and received through the proxy since that started.
package struct WorkloadTraffic: Sendable, Equatable {
    /// Connections it opened, and those that came in for it; ended ones too.
    package internal(set) var outbound: UInt64 = 0
    package internal(set) var inbound: UInt64 = 0
    package internal(set) var liveOutbound = 0
    package internal(set) var liveInbound = 0
    /// Plain text, see ``ConnectionReport/bytesToApplication``.
    package internal(set) var bytesToApplication: UInt64 = 0
    package internal(set) var bytesFromApplication: UInt64 = 0

    package init() {}

    mutating func add(_ entry: LiveConnections.Entry, isLive: Bool) {
        switch entry.direction {
        case .outbound:
            outbound += 1
            liveOutbound += isLive ? 1 : 0
        case .inbound:
            inbound += 1
            liveInbound += isLive ? 1 : 0
        }
        bytesToApplication += entry.bytes.toApplication
        bytesFromApplication += entry.bytes.fromApplication
    }
}
