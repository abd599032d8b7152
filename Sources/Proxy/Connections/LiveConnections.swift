import Foundation
import Limits
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
        /// nil: it came in, or was opened by a process without an identity.
        var opener: Opener?
        let startedAt = Date()
        let began = ContinuousClock.now
        let bytes: ByteTally
        /// nil: not established yet, or plain text.
        var peer: PeerIdentity?
        var isPlainText = false
        let lane: Carriage.Lane
        /// That it was cut is told, and why.
        var isCut = false
        /// How it ends, if it is not cut.
        var end = "closed by its ends"
        /// Copied into the entry that tells of a cut.
        var journal: JournalEntry
        var channels: [any Channel] = []
    }

    private struct State {
        var entries: [UInt64: Entry] = [:]
        /// And by what the process ran by then.
        var byOpener: [ProcessKey: [ProcessIDs: Set<UInt64>]] = [:]
        var next: UInt64 = 0
        /// Of connections that have ended.
        var ended: [SPIFFEID: WorkloadTraffic] = [:]

        mutating func remember(_ id: UInt64, of opener: Opener) {
            byOpener[opener.process, default: [:]][opener.ids, default: []].insert(id)
        }

        mutating func forget(_ id: UInt64, of opener: Opener) {
            byOpener[opener.process]?[opener.ids]?.remove(id)
            if byOpener[opener.process]?[opener.ids]?.isEmpty == true { byOpener[opener.process]?[opener.ids] = nil }
            if byOpener[opener.process]?.isEmpty == true { byOpener[opener.process] = nil }
        }
    }

    private let state = Mutex(State())

    func insert(_ entry: Entry) -> UInt64 {
        state.withLock { state in
            state.next += 1
            state.entries[state.next] = entry
            if let opener = entry.opener { state.remember(state.next, of: opener) }
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

    /// - Returns: what it was last.
    func remove(_ id: UInt64) -> Entry? {
        state.withLock { state in
            guard let entry = state.entries.removeValue(forKey: id) else { return nil }
            if let opener = entry.opener { state.forget(id, of: opener) }
            guard let workload = entry.workload else { return entry }
            if state.ended.count >= Limits.Identities.traffic, state.ended[workload] == nil { state.ended = [:] }
            state.ended[workload, default: WorkloadTraffic()].add(entry, isLive: false)
            return entry
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

    /// By their numbers.
    var all: [UInt64: Entry] { state.withLock { $0.entries } }

    /// Processes that opened one of them as a workload.
    var openers: [ProcessKey] { state.withLock { Array($0.byOpener.keys) } }

    func opened(by process: ProcessKey) -> [UInt64: Entry] {
        state.withLock { state in
            let ids = (state.byOpener[process] ?? [:]).values.joined()
            return Dictionary(uniqueKeysWithValues: ids.compactMap { id in state.entries[id].map { (id, $0) } })
        }
    }

    func idsOfOpening(by process: ProcessKey) -> Set<ProcessIDs> {
        state.withLock { state in Set((state.byOpener[process] ?? [:]).keys) }
    }

    /// In the order they came.
    var reports: [ConnectionReport] {
        state.withLock { $0.entries }.map { ConnectionReport($0.key, $0.value) }.sorted { $0.id < $1.id }
    }
}

extension LiveConnections.Entry {
    /// - Returns: why the connection lost its right, or nil where it has it.
    func objection(_ routes: any RoutePolicy) -> ProxyError? {
        guard let workload else { return nil }
        return switch direction {
        case .outbound:
            objection(routes.outbound(workload: workload, destination: destination, network: network), of: workload)
        case .inbound:
            objection(
                routes.inbound(destination: destination, network: network)
                    ?? routes.inbound(draining: workload, destination: destination, network: network), of: workload)
        }
    }

    /// nil where its right does not rest on who opened it.
    var opened: OpenedConnection? {
        guard let opener, let workload else { return nil }
        return OpenedConnection(opener: opener, workload: workload)
    }

    /// Until now.
    var passed: Passed {
        Passed(
            bytesToApplication: bytes.toApplication, bytesFromApplication: bytes.fromApplication,
            lasted: .now - began)
    }

    /// Resets every socket of it; from any thread.
    func cut() {
        for channel in channels {
            channel.eventLoop.execute { channel.cut() }
        }
    }

    private var farEnd: PeerRule.FarEnd { isPlainText ? .plainText : peer?.asFarEnd ?? .unproved }

    private func objection(_ route: OutboundRoute, of workload: SPIFFEID) -> ProxyError? {
        if let cause = route.rule(for: workload, to: destination).decision(on: farEnd).refusal {
            return .peerRefused(cause)
        }
        // What goes on as it is is not looked into, whatever is served there.
        return isPlainText || lane == route.lane ? nil : .laneChanged
    }

    private func objection(_ route: InboundRoute?, of workload: SPIFFEID) -> ProxyError? {
        guard let route, route.workload == workload else { return .listensNoMore(workload) }
        if let cause = route.rule.decision(on: farEnd).refusal { return .peerRefused(cause) }
        return lane == route.lane ? nil : .laneChanged
    }
}
