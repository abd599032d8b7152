package import ControlPlaneAPI
import Foundation
import Gateway
package import Kernel
import Limits
package import Proxy
package import SPIFFE
import Synchronization
package import Workloads

/// Turns what proxy and kernel report into audit events, with the process behind each. What goes on between two identities is an
/// event each. Of what those make happen who need no right for it, one is an event at once and repetitions are one, with their
/// number: refusals, connections that are let by without anybody's identity, programs that are executed. See ``RepeatedEvents``.
package final class AgentJournal: ConnectionJournal {
    /// Who can be many sources: by processes, IDs of a template and ports as many as it likes.
    fileprivate enum Payer: Hashable {
        case user(UInt32)
        case client(String)
        /// Of connections that were not through to where it is known.
        case unknown
    }

    /// Who made it happen, and what.
    fileprivate struct Source: RepeatedSource {
        let payer: Payer
        let kind: JournalEntry.Kind
        let workload: SPIFFEID?
        let process: ProcessKey?
        /// The client's address; of IPv6 its network, as one host has all of it.
        let client: String?
        let peer: SPIFFEID?
        let resource: String?
        let reason: String
    }

    /// Between whom a connection was, as far as its end is told apart from others'.
    fileprivate struct FarEnd: RepeatedSource {
        let payer: Payer
        let workload: SPIFFEID?
        let process: ProcessKey?
        let peer: SPIFFEID?
        /// Where a process dialled, or from which address, or network of IPv6, a client came.
        let place: String?
    }

    private struct Execution: RepeatedSource {
        let workload: SPIFFEID
        let userID: UInt32?

        var payer: UInt32? { userID }
    }

    private let forwarder: AuditForwarder
    private let refusals: RecentRefusals
    private let evidence: @Sendable (ProcessKey) -> ProcessEvidence?
    private let refused = Mutex(RepeatedEvents<Source, JournalEntry.Kind, JournalEntry>())
    /// Let by, of those without an identity; and identified. Their processes may have ended when it is told of them.
    private let strangers = Mutex(RepeatedEvents<Source, JournalEntry.Kind, AgentAuditEvent>())
    private let closed = Mutex(RepeatedEvents<FarEnd, AgentAuditEvent.Kind, AgentAuditEvent>())
    private let executions = Mutex(RepeatedEvents<Execution, AgentAuditEvent.Kind, AgentAuditEvent>())

    package init(
        forwarder: AuditForwarder,
        refusals: RecentRefusals,
        evidence: @escaping @Sendable (ProcessKey) -> ProcessEvidence?,
    ) {
        self.forwarder = forwarder
        self.refusals = refusals
        self.evidence = evidence
    }

    package func record(_ entry: JournalEntry) {
        // A cut is the end of one connection that was there: there are no more of them than of those.
        if entry.kind == .connectionCut { return recordCut(entry, count: 1) }
        if entry.kind == .connectionClosed { return recordClosed(entry) }
        guard !entry.allowed else { return recordAllowed(entry) }
        let noted = refused.withLock { $0.note(Source(entry), kind: entry.kind, entry) }
        refusals.count(entry.workload, entry.cause)
        if noted.place <= Limits.Refusals.explained { refusals.note(RecentRefusals.Refusal(entry)) }
        if let due = noted.due { forwarder.record(event(of: entry, count: due)) }
    }

    private func recordAllowed(_ entry: JournalEntry) {
        let event = event(of: entry, count: 1)
        guard entry.isOfStranger else { return forwarder.record(event) }
        let noted = strangers.withLock { $0.note(Source(entry), kind: entry.kind, event) }
        if noted.due != nil { forwarder.record(event) }
    }

    /// Ends decide nothing: those of one process and one far end in a window are one event, with the sum of what passed.
    private func recordClosed(_ entry: JournalEntry) {
        let event = event(of: entry, count: 1)
        let noted = closed.withLock {
            $0.note(FarEnd(entry), kind: event.type, event) { one, other in
                var sum = other
                // Beyond so many a second they are of several: what differs is nobody's.
                if one.spiffeID != other.spiffeID { (sum.spiffeID, sum.svidSerial) = (nil, nil) }
                if one.process != other.process { sum.process = nil }
                if one.peer != other.peer { (sum.peer, sum.peerSVIDSerial) = (nil, nil) }
                sum.traffic = one.traffic.flatMap { one in other.traffic.map { one + $0 } }
                return sum
            }
        }
        if noted.due != nil { forwarder.record(event) }
    }

    /// - Parameter count: how many connections of one process the entry stands for.
    func recordCut(_ entry: JournalEntry, count: Int) {
        refusals.note(RecentRefusals.Refusal(entry))
        forwarder.record(event(of: entry, count: count))
    }

    package func recordIdentified(_ process: ProcessKey, as workload: SPIFFEID) {
        let event = AgentAuditEvent(
            time: Date(), type: .processIdentified, spiffeID: workload, process: evidence(process),
            decision: .allowed, reason: "selectors match",
        )
        let source = Execution(workload: workload, userID: event.process?.uid)
        let noted = executions.withLock { $0.note(source, kind: event.type, event) }
        if noted.due != nil { forwarder.record(event) }
    }

    /// Each window, and at the end: what was held back since.
    package func run() async {
        while (try? await Task.sleep(for: Limits.Refusals.window)) != nil { endWindow() }
        endWindow()
    }

    /// What a window held back is told now.
    func endWindow() {
        for (entry, count) in refused.withLock({ $0.endWindow() }) { forwarder.record(event(of: entry, count: count)) }
        let allowed =
            strangers.withLock { $0.endWindow() } + executions.withLock { $0.endWindow() }
            + closed.withLock { $0.endWindow() }
        for (event, count) in allowed {
            var event = event
            event.count = count > 1 ? count : nil
            forwarder.record(event)
        }
    }

    private func event(of entry: JournalEntry, count: Int) -> AgentAuditEvent {
        AgentAuditEvent(
            time: Date(), type: AgentAuditEvent.Kind(entry.kind), spiffeID: entry.workload,
            process: entry.process.flatMap(evidence), svidSerial: entry.svidSerial, connection: entry.connection,
            peer: entry.peer, peerSVIDSerial: entry.peerSVIDSerial, resource: entry.resource,
            tokenID: entry.tokenID, traffic: entry.passed.map(AgentAuditEvent.Traffic.init),
            decision: entry.kind == .connectionClosed ? nil : entry.allowed ? .allowed : .refused,
            cause: entry.cause?.rawValue, reason: entry.reason,
            count: count > 1 ? count : nil,
        )
    }

    /// For `explain`, at once.
    package func note(_ refusal: KernelRefusal) {
        var noted = RecentRefusals.Refusal(reason: refusal.reason.description)
        noted.process = refusal.process
        noted.destination = refusal.destination
        refusals.note(noted)
    }

    private static let ofMany =
        " (many users and workloads together: no more are counted apart; the processes are in `explain` while they run)"

    /// - Parameters:
    ///   - refusal: the last one that is known of those.
    ///   - count: how many the record stands for.
    package func record(_ refusal: KernelRefusal?, _ source: KernelRefusal.Source, count: Int) {
        // Of many, one of them is nobody to name.
        let sample = source.userID == nil ? nil : refusal
        let place = source.userID == nil ? Self.ofMany : sample.map { " (\($0.destination))" } ?? ""
        let cause = RefusalCause(source.reason)
        refusals.count(cause, count)
        forwarder.record(
            AgentAuditEvent(
                time: Date(), type: .kernelRefused, process: sample.flatMap { evidence($0.process) },
                decision: .refused, cause: cause.rawValue,
                reason: "\(source.reason)\(place)", count: count > 1 ? count : nil,
            ),
        )
    }
}

extension JournalEntry {
    /// Whoever made this happen has proven nothing: a PERMISSIVE listener let it by, or its process has no identity.
    fileprivate var isOfStranger: Bool {
        switch kind {
        case .connectionInbound: peer == nil
        case .connectionOutbound: workload == nil
        case .requestInbound, .requestOutbound, .connectionCut, .connectionClosed: false
        }
    }
}

extension RefusalCause {
    fileprivate init(_ reason: KernelRefusal.Reason) {
        self =
            switch reason {
            case .directDial: .notRedirected
            case .namespaceNotServed, .listenInNamespaceNotServed: .networkNotServed
            case .noMemory: .unavailable
            case .processUnknown: .notIdentified
            case .tracer: .tracing
            case .disowned: .identityDeleted
            case .datagramNotListed, .datagramInManagedNetwork: .placeNotAllowed
            case .boundToDevice: .boundToDevice
            }
    }
}

extension AgentJournal.Source {
    fileprivate init(_ entry: JournalEntry) {
        payer = entry.payer
        kind = entry.kind
        workload = entry.workload
        process = entry.process
        client = entry.process == nil ? entry.client : nil
        peer = entry.peer
        resource = entry.resource
        reason = entry.reason
    }

}

extension AgentJournal.FarEnd {
    fileprivate init(_ entry: JournalEntry) {
        payer = entry.payer
        workload = entry.workload
        process = entry.process
        peer = entry.peer
        place =
            entry.process == nil ? entry.client : entry.connection?.split(separator: ">").last.map(String.init)
    }
}

extension JournalEntry {
    fileprivate var client: String? { AuditPayer.host(of: connection) }

    fileprivate var payer: AgentJournal.Payer {
        if let user { return .user(user) }
        return process == nil ? client.map { .client($0) } ?? .unknown : .unknown
    }
}

extension AgentAuditEvent.Traffic {
    fileprivate init(_ passed: Passed) {
        self.init(
            bytesFromApplication: Int64(clamping: passed.bytesFromApplication),
            bytesToApplication: Int64(clamping: passed.bytesToApplication),
            milliseconds: Int64(passed.lasted / .milliseconds(1)))
    }
}

extension AgentAuditEvent.Kind {
    fileprivate init(_ kind: JournalEntry.Kind) {
        self =
            switch kind {
            case .connectionOutbound: .connectionOutbound
            case .connectionInbound: .connectionInbound
            case .requestOutbound: .requestOutbound
            case .requestInbound: .requestInbound
            case .connectionCut: .connectionCut
            case .connectionClosed: .connectionClosed
            }
    }
}

extension RecentRefusals.Refusal {
    fileprivate init(_ entry: JournalEntry) {
        self.init(reason: entry.reason)
        process = entry.process
        workload = entry.workload
        peer = entry.peer
        connections = [entry.dialled, entry.connection].compactMap { $0 }
        isInbound = entry.kind == .connectionInbound || entry.kind == .requestInbound
    }
}

extension ProcessEvidence {
    package init(_ facts: ProcessFacts) {
        self.init(
            pid: facts.key.pid, startTime: facts.key.startTime, exe: facts.executable.path, argv: facts.arguments,
            uid: facts.userID,
        )
    }
}
