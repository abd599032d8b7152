package import ControlPlaneAPI
import Foundation
import Limits
package import SPIFFE
import Workloads

/// What operators ask for.
package struct OperatorDesk: Sendable {
    let state: ControlPlaneState
    let issuer: @Sendable () -> String

    package init(state: ControlPlaneState, issuer: @escaping @Sendable () -> String) {
        self.state = state
        self.issuer = issuer
    }

    /// Applies a file of manifests, all or none, and wakes the agents.
    ///
    /// - Throws: ``ControlPlaneRefusal/manifest(_:)`` with every finding in the file.
    package func apply(
        _ request: ApplyRequest, by operatorName: String
    ) async throws(ControlPlaneRefusal) -> ApplyResponse {
        let manifests: [Manifest]
        do {
            manifests = try Manifest.decode(yaml: request.yaml, file: request.file)
        } catch {
            throw .manifest(error.findings.map(\.description))
        }
        let now = state.now()
        let response = try await state.store.write { database in
            try state.registry.apply(manifests, by: operatorName, now: now, in: database)
        }
        await state.hub.wakeAll()
        return response
    }

    /// Deletes a manifest. What was issued by it is withdrawn; its agents know within a moment.
    ///
    /// - Parameter kind: in any case.
    /// - Throws: ``ControlPlaneRefusal/noSuchManifest(kind:name:)``.
    package func delete(
        kind: String, name: String, by operatorName: String,
    ) async throws(ControlPlaneRefusal) -> DeleteResponse {
        let now = state.now()
        let response = try await state.store.write { database in
            try state.registry.delete(kind: kind, name: name, by: operatorName, now: now, in: database)
        }
        await state.hub.wakeAll()
        return response
    }

    /// What is applied now; nil: of every kind, or name.
    package func manifests(kind: String?, name: String?) async throws(ControlPlaneRefusal) -> [StoredManifest] {
        try await state.store.read { try state.registry.manifests(kind: kind, name: name, in: $0) }
    }

    /// Makes a token that lets one agent in, once.
    ///
    /// - Throws: ``ControlPlaneRefusal/agentGroup(_:reason:)``, ``ControlPlaneRefusal/lifetime(_:allowed:)``.
    package func joinToken(
        _ request: JoinTokenRequest, by operatorName: String,
    ) async throws(ControlPlaneRefusal) -> JoinTokenResponse {
        try AgentDirectory.checkGroup(request.agentGroup, trustDomain: state.configuration.trustDomain)
        guard AgentDirectory.joinTokenLifetime.contains(request.lifetime) else {
            throw .lifetime(request.lifetime, allowed: AgentDirectory.joinTokenLifetime)
        }
        let now = state.now()
        let expiry = now.addingTimeInterval(TimeInterval(request.lifetime))
        let token = try await state.store.write { database in
            try AgentDirectory.createJoinToken(
                group: request.agentGroup, expiresAt: expiry, by: operatorName, now: now, in: database)
        }
        return JoinTokenResponse(token: token, agentGroup: request.agentGroup, expiresAt: expiry)
    }

    /// Deletes, bans or unbans an agent. Its stream ends, and what it claimed is given up.
    ///
    /// - Throws: ``ControlPlaneRefusal/agentName(_:reason:)``, ``ControlPlaneRefusal/noSuchAgent(_:)``.
    package func apply(
        _ removal: AgentDirectory.Removal, group: String, name: String, by operatorName: String,
    ) async throws(ControlPlaneRefusal) -> AgentChangeResponse {
        let id = try AgentDirectory.identifier(
            trustDomain: state.configuration.trustDomain, group: group, name: name)
        let now = state.now()
        let withdrawn = try await state.store.write { database in
            let withdrawn = try state.registry.withdraw(issuedThrough: id, after: removal, now: now, in: database)
            let wasAgent = try AgentDirectory.apply(
                removal, to: id, withdrawing: withdrawn, by: operatorName, now: now, in: database)
            // Where its workloads listened is known no more.
            if wasAgent || withdrawn > 0 { try state.registry.raiseVersion(now: now, in: database) }
            return withdrawn
        }
        state.refusedEndpoints.forget(id)
        // Its own stream ends with this.
        await state.hub.wakeAll()
        return AgentChangeResponse(spiffeID: id.description, withdrawn: withdrawn)
    }

    /// Where the control plane and each of its agents stand.
    package func status() async throws(ControlPlaneRefusal) -> ControlPlaneStatus {
        let connected = await state.hub.connected
        let refused = state.refusedEndpoints.all
        let issuer = issuer()
        return try await state.store.read { database in
            ControlPlaneStatus(
                trustDomain: state.configuration.trustDomain.name,
                version: try state.registry.version(in: database),
                issuer: issuer,
                agents: try AgentDirectory.statuses(connected: connected, refused: refused, in: database),
            )
        }
    }

    /// - Parameter wait: how long to wait for a first record.
    package func audit(
        after sequence: Int64, limit: Int, spiffeID: SPIFFEID?, wait: Duration,
    ) async throws(ControlPlaneRefusal) -> [AuditRecord] {
        let deadline = ContinuousClock.now + wait
        while true {
            let records = try await state.store.read { database in
                try AuditChain.records(after: sequence, limit: limit, spiffeID: spiffeID, in: database)
            }
            guard records.isEmpty, ContinuousClock.now < deadline else { return records }
            do { try await Task.sleep(for: Limits.Calls.recordPause) } catch { return [] }
        }
    }

    /// Where the audit stands now, signed: to be kept outside.
    package func auditHead() async throws(ControlPlaneRefusal) -> AuditHead { try await state.audit.head() }

    /// Reads the whole chain again.
    ///
    /// - Parameter head: what somebody kept outside; the chain has to contain it.
    package func verifyAudit(expecting head: ExpectedHead?) async throws(ControlPlaneRefusal) -> AuditVerification {
        try await state.audit.verify(expecting: head)
    }
}
