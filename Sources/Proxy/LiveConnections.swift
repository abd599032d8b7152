import Foundation
import NIOCore
import SPIFFE
import Synchronization
import Workloads

/// Every connection the proxy carries now, with what its right rests on.
final class LiveConnections: Sendable {
    struct Entry: Sendable {
        let direction: ConnectionReport.Direction
        /// The cookie of the namespace both addresses belong to.
        let network: UInt64
        /// As the application sees it, like `destination`.
        let source: SocketAddress
        let destination: SocketAddress
        /// The local one; nil: relayed for a process without an identity.
        let workload: SPIFFEID?
        let startedAt = Date()
        let bytes: ByteTally
        /// nil: not established yet, or plain text.
        var peer: SPIFFEID?
        var isPlainText = false
        /// Protected resources are served there: HTTP is looked into.
        let looksInside: Bool
        /// Copied into the entry that tells of a cut.
        var journal: JournalEntry
        var channels: [any Channel]
    }

    private struct State {
        var entries: [UInt64: Entry] = [:]
        var next: UInt64 = 0
        var slots = 0
        /// By network; never zero.
        var shares: [UInt64: Int] = [:]
        /// Of connections that have ended.
        var ended: [SPIFFEID: WorkloadTraffic] = [:]
    }

    /// More local workloads than that are not remembered beyond their connections.
    private static let workloads = 8192

    private let state = Mutex(State())

    var count: Int { state.withLock { $0.slots } }

    func count(in network: UInt64) -> Int { state.withLock { $0.shares[network] ?? 0 } }

    /// Counts a connection in, unless `maximum` are there.
    func reserve(in network: UInt64, maximum: Int) -> Bool {
        state.withLock { state in
            guard state.slots < maximum else { return false }
            state.slots += 1
            state.shares[network, default: 0] += 1
            return true
        }
    }

    func release(in network: UInt64) {
        state.withLock { state in
            state.slots -= 1
            let left = (state.shares[network] ?? 0) - 1
            state.shares[network] = left > 0 ? left : nil
        }
    }

    func insert(_ entry: Entry) -> UInt64 {
        state.withLock { state in
            state.next += 1
            state.entries[state.next] = entry
            return state.next
        }
    }

    func update(_ id: UInt64, _ change: (inout Entry) -> Void) {
        state.withLock { state in
            guard var entry = state.entries.removeValue(forKey: id) else { return }
            change(&entry)
            state.entries[id] = entry
        }
    }

    func remove(_ id: UInt64) {
        state.withLock { state in
            guard let entry = state.entries.removeValue(forKey: id), let workload = entry.workload else { return }
            if state.ended.count >= Self.workloads, state.ended[workload] == nil { state.ended = [:] }
            state.ended[workload, default: WorkloadTraffic()].add(entry, isLive: false)
        }
    }

    /// Of all connections there were in this life of the proxy.
    var traffic: [SPIFFEID: WorkloadTraffic] {
        let (ended, entries) = state.withLock { ($0.ended, $0.entries) }
        return entries.values.reduce(into: ended) { traffic, entry in
            if let workload = entry.workload { traffic[workload, default: WorkloadTraffic()].add(entry, isLive: true) }
        }
    }

    subscript(id: UInt64) -> Entry? { state.withLock { $0.entries[id] } }

    var all: [Entry] { state.withLock { Array($0.entries.values) } }

    /// In the order they came.
    var reports: [ConnectionReport] {
        state.withLock { $0.entries }.map { ConnectionReport($0.key, $0.value) }.sorted { $0.id < $1.id }
    }
}

extension LiveConnections.Entry {
    /// - Returns: why the connection lost its right, or nil where it has it.
    func objection(_ routes: any RoutePolicy) -> String? {
        guard let workload else { return nil }
        return switch direction {
        case .outbound:
            objection(routes.outbound(workload: workload, destination: destination, network: network), to: workload)
        case .inbound:
            objection(routes.inbound(destination: destination, network: network), to: workload)
        }
    }

    /// Resets every socket of it; from any thread.
    func cut() {
        for channel in channels {
            channel.eventLoop.execute { channel.cut() }
        }
    }

    private func objection(_ route: OutboundRoute, to workload: SPIFFEID) -> String? {
        if route.peers.withdrawn.contains(workload) { return "\(ProxyError.identityWithdrawn(workload))" }
        guard looksInside == !route.resources.isEmpty else { return "\(ProxyError.laneChanged)" }
        guard let peer else { return nil }
        let decision = route.decision(for: peer)
        return decision.isAllowed ? nil : decision.reason
    }

    private func objection(_ route: InboundRoute?, to workload: SPIFFEID) -> String? {
        guard let route, route.workload == workload else { return "\(workload) does not listen there any more" }
        if route.peers.withdrawn.contains(workload) { return "\(ProxyError.identityWithdrawn(workload))" }
        guard looksInside == !route.resources.isEmpty else { return "\(ProxyError.laneChanged)" }
        if isPlainText { return route.tlsMode == .mutual ? "plain text is refused now: the mode is MUTUAL" : nil }
        guard let peer else { return nil }
        let decision = route.peers.decision(for: peer)
        return decision.isAllowed ? nil : decision.reason
    }
}

extension OutboundRoute {
    /// Whether `peer` may be at the destination's end.
    func decision(for peer: SPIFFEID) -> PeerPolicy.Decision {
        if let expected, expected != peer {
            return .refused(because: "\(peer) answers where \(expected) is expected")
        }
        return peers.decision(for: peer)
    }
}
