package import ControlPlaneAPI
import Foundation
import SPIFFE

// What agents report of themselves and of their hosts.
extension AgentDesk {
    /// Of one agent at a time.
    package static let maximumEndpoints = 4096

    package func acknowledge(
        _ acknowledgement: Acknowledgement, by agent: AgentDirectory.Agent,
    ) async throws(ControlPlaneRefusal) {
        try await state.store.write { try AgentDirectory.acknowledge(acknowledgement, by: agent, in: $0) }
    }

    /// Takes the whole set, and tells all agents when it is another one than before.
    package func report(
        _ report: EndpointReport, by agent: AgentDirectory.Agent,
    ) async throws(ControlPlaneRefusal) {
        guard report.endpoints.count <= Self.maximumEndpoints else {
            throw .body("\(report.endpoints.count) endpoints; \(Self.maximumEndpoints) are kept of an agent")
        }
        let now = state.now()
        let changed = try await state.store.write { database in
            // A workload deleted a moment ago still listens; its address stays known so that nobody calls it bare.
            let withdrawn = try state.registry.withdrawn(in: database)
            let own = try state.registry.identities(ofGroup: agent.group, in: database)
            let isKnown = { withdrawn.contains($0) || own.contains($0) }
            if let stranger = report.endpoints.first(where: { !isKnown($0.workload) }) {
                throw ControlPlaneRefusal.notInGroup(
                    "no manifest gives \(stranger.workload) to agent group \"\(agent.group)\"")
            }
            let changed = try AgentDirectory.replaceEndpoints(report.endpoints, of: agent, in: database)
            if changed { try state.registry.raiseVersion(now: now, in: database) }
            return changed
        }
        if changed { await state.hub.wakeAll() }
    }

    package func report(_ report: AuditReport, by agent: AgentDirectory.Agent) async throws(ControlPlaneRefusal) {
        var entries: [AuditChain.Entry] = []
        do { entries = try report.events.map { try $0.entry(from: agent) } } catch { throw .body("\(error)") }
        if report.lost > 0 {
            entries.append(
                AuditChain.Entry(
                    time: state.now(), source: agent.id.description, type: "audit.lost",
                    details: ["count": .integer(Int64(report.lost))]))
        }
        guard !entries.isEmpty else { return }
        let complete = entries
        try await state.store.write { try AuditChain.append(complete, to: $0) }
    }
}

extension AgentAuditEvent {
    /// The event's members but `time` and `type`, which the record has itself.
    fileprivate func entry(from agent: AgentDirectory.Agent) throws -> AuditChain.Entry {
        let bytes = try WireCoding.encoder().encode(self)
        var details = try WireCoding.decoder().decode([String: AuditValue].self, from: bytes)
        details["time"] = nil
        details["type"] = nil
        return AuditChain.Entry(time: time, source: agent.id.description, type: type.rawValue, details: details)
    }
}
