package import ControlPlaneAPI
import Foundation
package import Kernel
package import Proxy
package import SPIFFE
package import Workloads

/// Turns what proxy and kernel report into audit events, with the process behind each.
package struct AgentJournal: ConnectionJournal {
    private let forwarder: AuditForwarder
    private let refusals: RecentRefusals
    private let evidence: @Sendable (ProcessKey) -> ProcessEvidence?

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
        if !entry.allowed { refusals.note(RecentRefusals.Refusal(entry)) }
        forwarder.record(
            AgentAuditEvent(
                time: Date(), type: AgentAuditEvent.Kind(entry.kind), spiffeID: entry.workload,
                process: entry.process.flatMap(evidence), svidSerial: entry.svidSerial, connection: entry.connection,
                peer: entry.peer, peerSVIDSerial: entry.peerSVIDSerial, resource: entry.resource,
                tokenID: entry.tokenID, decision: entry.allowed ? .allowed : .refused, reason: entry.reason,
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

    package func recordRefusal(_ process: ProcessKey, destination: InternetEndpoint, reason: String) {
        var refusal = RecentRefusals.Refusal(reason: reason)
        refusal.process = process
        refusal.destination = destination
        refusals.note(refusal)
        forwarder.record(
            AgentAuditEvent(
                time: Date(), type: .kernelRefused, process: evidence(process), decision: .refused, reason: reason,
            ),
        )
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
