package import ControlPlaneAPI
import Foundation
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

    package func manifests(kind: String?, name: String?) async throws(ControlPlaneRefusal) -> [StoredManifest] {
        try await state.store.read { try state.registry.manifests(kind: kind, name: name, in: $0) }
    }

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

    package func status() async throws(ControlPlaneRefusal) -> ControlPlaneStatus {
        let connected = await state.hub.connected
        let issuer = issuer()
        return try await state.store.read { database in
            ControlPlaneStatus(
                trustDomain: state.configuration.trustDomain.name,
                version: try state.registry.version(in: database),
                issuer: issuer,
                agents: try AgentDirectory.statuses(connected: connected, in: database),
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
            do { try await Task.sleep(for: .milliseconds(200)) } catch { return [] }
        }
    }

    package func verifyAudit() async throws(ControlPlaneRefusal) -> AuditVerification {
        try await state.store.read { try AuditChain.verify($0) }
    }
}
