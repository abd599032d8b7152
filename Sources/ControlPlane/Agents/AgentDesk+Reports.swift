package import ControlPlaneAPI
import Foundation
import Limits
import SPIFFE

// What agents report of themselves and of their hosts.
extension AgentDesk {
    package func acknowledge(
        _ acknowledgement: Acknowledgement, by agent: AgentDirectory.Agent,
    ) async throws(ControlPlaneRefusal) {
        try await state.store.write(for: agent.id) {
            try AgentDirectory.acknowledge(acknowledgement, by: agent, in: $0)
        }
    }

    /// Takes what is in order and tells of the rest: no endpoint hinders another.
    package func report(
        _ report: EndpointReport, by agent: AgentDirectory.Agent,
    ) async throws(ControlPlaneRefusal) -> EndpointReceipt {
        guard report.telling.utf8.count <= 64 else { throw .body("a telling's name has at most 64 bytes") }
        let now = state.now()
        let count = report.added.count + report.removed.count
        if count > 0 { try budgets.admit([.endpoints: count], of: agent.id, at: now) }
        // Whatever needs nothing of the store is decided out here: nobody waits for it.
        let judged = JudgedReport(report, by: agent, rules: state.configuration.endpointRules)
        let told = state.refusedEndpoints
        let (refused, contested, hasChanged) = try await state.store.write(for: agent.id) { database in
            // A workload deleted a moment ago still listens; its address stays known so that nobody calls it bare.
            let known = try state.registry.known(judged.workloads, toGroup: agent.group, in: database)
            let before = try state.registry.endpointsRevision(in: database)
            var intake = EndpointIntake(agent: agent, isKnown: known.contains)
            try intake.take(judged, in: database)
            try AuditChain.append(
                intake.findings.filter { told.shouldTell($0.kind, of: agent.id, at: now) }.map {
                    AuditChain.Entry(time: now, type: $0.type, details: $0.details)
                }, to: database)
            return (intake.refused, intake.contested, try state.registry.endpointsRevision(in: database) != before)
        }
        told.note(refused, of: agent.id, isWhole: report.isWhole)
        if hasChanged { await state.hub.wakeAll() }
        return EndpointReceipt(refused: refused + contested)
    }

    /// Endpoints of agents that have been away go to those that wait for them.
    package func passEndpoints() async throws(ControlPlaneRefusal) {
        let here = await state.hub.present(within: Limits.Endpoints.absence)
        let now = state.now()
        let hasChanged = try await state.store.write { database in
            let absent = try EndpointClaims.waitedFor(in: database).filter { !here.contains($0) }
            for agent in absent {
                let passed = try EndpointClaims.pass(from: agent, in: database)
                try AuditChain.append(
                    passed.map { endpoint in
                        AuditChain.Entry(
                            time: now, type: "endpoint.passed",
                            details: [
                                "endpoint": .string(endpoint.text), "agent": .string(agent),
                                "claimed": .string("\(endpoint.workload)"),
                                "reason": .string("its agent has been away; another one claims it"),
                            ])
                    }, to: database)
            }
            return !absent.isEmpty
        }
        if hasChanged { await state.hub.wakeAll() }
    }

    package func report(
        _ report: AuditReport, by agent: AgentDirectory.Agent,
    ) async throws(ControlPlaneRefusal) -> AuditReceipt {
        let now = state.now()
        return try await state.store.write(for: agent.id) { database in
            let named = Set(report.events.compactMap(\.event.spiffeID))
            let known = try state.registry.known(named, toGroup: agent.group, in: database)
            var intake = AuditIntake(agent: agent, now: now, isOwn: known.contains)
            intake.position = try AuditIntake.Position(of: agent, in: database)
            let entries = try intake.take(report)
            try AuditChain.append(entries, to: database)
            try intake.position?.store(for: agent, in: database)
            return AuditReceipt(next: intake.position?.next ?? report.end)
        }
    }

    /// Somebody opens streams as this agent without end, or several do: the audit is told once an hour.
    func tellStreamsEnded(of agent: AgentDirectory.Agent) async {
        let now = state.now()
        guard state.refusedEndpoints.shouldTell("stream.ended", of: agent.id, at: now) else { return }
        let entry = AuditChain.Entry(
            time: now, type: "stream.ended",
            details: [
                "agent": .string("\(agent.id)"),
                "reason": .string(
                    "it opened more streams than the \(Limits.Stream.ofAgent) that an agent may have; its oldest ones ended"
                ),
            ])
        // Best effort: what ended has ended.
        try? await state.store.write(for: agent.id) { try AuditChain.append([entry], to: $0) }
    }

    /// What belongs to credentials that have run out ends with them; agents that have their whole share again are forgotten.
    package func forgetEnded() async throws(ControlPlaneRefusal) {
        let now = state.now()
        budgets.sweep(at: now)
        try await state.store.write { try Issuances.sweep(now: now, in: $0) }
    }
}
