package import ControlPlaneAPI
import Foundation
package import Kernel
import Limits
package import Proxy
package import SPIFFE
import Synchronization
package import Workloads

/// Turns what proxy and kernel report into audit events, with the process behind each. Refusals that repeat are one event,
/// with their number; see ``RepeatedRefusals``.
package final class AgentJournal: ConnectionJournal {
    /// Who was refused by the proxy, and why.
    fileprivate struct Source: Hashable {
        let kind: JournalEntry.Kind
        let workload: SPIFFEID?
        let process: ProcessKey?
        /// The client's address; of IPv6 its network, as one host has all of it.
        let client: String?
        let peer: SPIFFEID?
        let resource: String?
        let reason: String
    }

    private let forwarder: AuditForwarder
    private let refusals: RecentRefusals
    private let evidence: @Sendable (ProcessKey) -> ProcessEvidence?
    private let repeated = Mutex(RepeatedRefusals<Source, JournalEntry.Kind, JournalEntry>())

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
        guard !entry.allowed, entry.kind != .connectionCut else { return forward(entry, count: 1) }
        let source = Source(entry)
        let noted = repeated.withLock { $0.note(source, kind: entry.kind, entry) }
        refusals.count(entry.workload)
        if noted.place <= Limits.Refusals.explained { refusals.note(RecentRefusals.Refusal(entry)) }
        if let due = noted.due { forward(entry, count: due) }
    }

    /// - Parameter count: how many connections of one process the entry stands for.
    func recordCut(_ entry: JournalEntry, count: Int) { forward(entry, count: count) }

    /// Each window, and at the end: what was held back since.
    package func run() async {
        while (try? await Task.sleep(for: Limits.Refusals.window)) != nil { endWindow() }
        endWindow()
    }

    private func endWindow() {
        for (entry, count) in repeated.withLock({ $0.endWindow() }) { forward(entry, count: count) }
    }

    private func forward(_ entry: JournalEntry, count: Int) {
        if entry.kind == .connectionCut { refusals.note(RecentRefusals.Refusal(entry)) }
        forwarder.record(
            AgentAuditEvent(
                time: Date(), type: AgentAuditEvent.Kind(entry.kind), spiffeID: entry.workload,
                process: entry.process.flatMap(evidence), svidSerial: entry.svidSerial, connection: entry.connection,
                peer: entry.peer, peerSVIDSerial: entry.peerSVIDSerial, resource: entry.resource,
                tokenID: entry.tokenID, decision: entry.allowed ? .allowed : .refused, reason: entry.reason,
                count: count > 1 ? count : nil,
            ),
        )
    }

    package func recordIdentified(_ process: ProcessKey, as workload: SPIFFEID) {
        forwarder.record(
            AgentAuditEvent(
                time: Date(), type: .processIdentified, spiffeID: workload, process: evidence(process),
                decision: .allowed, reason: "selectors match",
            ),
        )
    }

    /// For `explain`, at once.
    package func note(_ refusal: KernelRefusal) {
        var noted = RecentRefusals.Refusal(reason: refusal.reason.description)
        noted.process = refusal.process
        noted.destination = refusal.destination
        refusals.note(noted)
    }

    /// - Parameters:
    ///   - refusal: the last one that is known of those.
    ///   - count: how many the record stands for.
    package func record(_ refusal: KernelRefusal?, _ source: KernelRefusal.Source, count: Int) {
        let place = refusal.map { " (\($0.destination))" } ?? ""
        forwarder.record(
            AgentAuditEvent(
                time: Date(), type: .kernelRefused, process: refusal.flatMap { evidence($0.process) },
                decision: .refused,
                reason: "\(source.reason)\(place)", count: count > 1 ? count : nil,
            ),
        )
    }
}

extension AgentJournal.Source {
    fileprivate init(_ entry: JournalEntry) {
        kind = entry.kind
        workload = entry.workload
        process = entry.process
        client = entry.process == nil ? entry.connection.flatMap(Self.client) : nil
        peer = entry.peer
        resource = entry.resource
        reason = entry.reason
    }

    /// - Parameter connection: `source>destination`.
    private static func client(_ connection: String) -> String? {
        guard let text = connection.split(separator: ">").first,
            let address = InternetEndpoint(parsing: String(text))?.address
        else { return nil }
        return address.isIPv4 ? address.description : "\(address.bytes.prefix(8))"
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
