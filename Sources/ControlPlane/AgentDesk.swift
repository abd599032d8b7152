package import ControlPlaneAPI
import Foundation
import Issuer
import Logging
import SPIFFE
import X509

/// What agents ask for. Every answer that gives a credential is in the audit before it leaves.
package struct AgentDesk: Sendable {
    let state: ControlPlaneState
    private let strangers = RefusalBudget(perMinute: 60)

    package init(state: ControlPlaneState) {
        self.state = state
    }

    /// The one call of a stranger: a join token for an SVID.
    package func attest(_ request: AttestRequest) async throws(ControlPlaneRefusal) -> X509SVIDResponse {
        do {
            return try await admit(request)
        } catch {
            // Whoever has no token must not be able to fill the disk with refusals.
            if strangers.take(at: state.now()) {
                await refused("agent.refused", ["name": .string(String(request.name.prefix(253)))], because: error)
            }
            throw error
        }
    }

    private func admit(_ request: AttestRequest) async throws(ControlPlaneRefusal) -> X509SVIDResponse {
        let now = state.now()
        let signing = try Self.signingRequest(request.csr)
        let group = try await state.store.read { database in
            try AgentDirectory.group(ofJoinToken: request.joinToken, now: now, in: database)
        }
        let domain = state.configuration.trustDomain
        let id = try AgentDirectory.identifier(trustDomain: domain, group: group, name: request.name)
        let chain = try issue(id, signing, lifetime: state.configuration.agentSVIDLifetime, at: now)
        let agent = AgentDirectory.Agent(id: id, group: group)
        // The certificate exists by now, but leaves only if the token is used up and the audit has it.
        try await state.store.write { database in
            try AgentDirectory.admit(
                agent, name: request.name, joinToken: request.joinToken,
                svidSerial: chain[0].serialNumber.hexadecimal, now: now, in: database)
        }
        return try answer(id, chain)
    }

    /// Who calls, if that is an agent with a live record.
    package func agent(_ peer: Peer?) async throws(ControlPlaneRefusal) -> AgentDirectory.Agent {
        guard let peer else { throw .certificateMissing }
        // A connection may outlive the certificate it was opened with.
        guard state.now() < peer.notAfter else { throw .notAnAgent(peer.id) }
        return try await state.store.read { try AgentDirectory.agent(peer.id, in: $0) }
    }

    package func renew(
        _ request: RenewRequest, for agent: AgentDirectory.Agent,
    ) async throws(ControlPlaneRefusal) -> X509SVIDResponse {
        let now = state.now()
        let chain = try issue(
            agent.id, Self.signingRequest(request.csr), lifetime: state.configuration.agentSVIDLifetime, at: now)
        try await record(
            "svid.issued", at: now,
            ["spiffeID": .string(agent.id.description), "agent": .string(agent.id.description)], chain[0])
        return try answer(agent.id, chain)
    }

    package func x509SVID(
        _ request: X509SVIDRequest, for agent: AgentDirectory.Agent,
    ) async throws(ControlPlaneRefusal) -> X509SVIDResponse {
        let now = state.now()
        let details: [String: AuditValue?] = [
            "spiffeID": .string(request.spiffeID.description), "agent": .string(agent.id.description),
            "process": request.process?.auditValue,
        ]
        do {
            try await authorize(request.spiffeID, for: agent)
            let signing = try Self.signingRequest(request.csr)
            let chain = try issue(request.spiffeID, signing, lifetime: state.configuration.svidLifetime, at: now)
            try await record("svid.issued", at: now, details, chain[0])
            return try answer(request.spiffeID, chain)
        } catch {
            await refused("svid.refused", details, because: error)
            throw error
        }
    }

    package func jwtSVID(
        _ request: JWTSVIDRequest, for agent: AgentDirectory.Agent,
    ) async throws(ControlPlaneRefusal) -> JWTSVIDResponse {
        let now = state.now()
        let details: [String: AuditValue?] = [
            "spiffeID": .string(request.spiffeID.description), "agent": .string(agent.id.description),
            "audience": .list(request.audience.map { .string($0) }),
        ]
        do {
            try await authorize(request.spiffeID, for: agent)
            let lifetime = min(state.configuration.svidLifetime, .seconds(300))
            let token = try Self.issuing { () throws(IssuerError) in
                try state.authority.issueJWTSVID(
                    for: request.spiffeID, audience: request.audience, issuer: state.configuration.trustDomain.uri,
                    lifetime: lifetime, now: now)
            }
            let entry = AuditChain.Entry(time: now, type: "jwt_svid.issued", details: details)
            try await state.store.write { try AuditChain.append([entry], to: $0) }
            return JWTSVIDResponse(token: token, expiresAt: now.addingTimeInterval(lifetime / .seconds(1)))
        } catch {
            await refused("jwt_svid.refused", details, because: error)
            throw error
        }
    }

    private func authorize(_ requested: SPIFFEID, for agent: AgentDirectory.Agent) async throws(ControlPlaneRefusal) {
        var isGiven = try await state.store.read { database in
            try state.registry.identities(ofGroup: agent.group, in: database).isWritten(requested)
        }
        if !isGiven {
            // In one transaction with the manifests: a template deleted meanwhile withdraws this ID too.
            isGiven = try await state.store.write { database in
                try state.registry.expand(requested, forGroup: agent.group, in: database)
            }
        }
        let decision = IssuancePolicy.decision(
            agent: agent.id, agentGroup: agent.group, requested: requested,
            identitiesOfGroup: isGiven ? [requested] : [])
        guard case .issue = decision else { throw .notInGroup(decision.reason) }
    }
}

// Issuing, answering, recording.
extension AgentDesk {
    private static func signingRequest(_ der: Data) throws(ControlPlaneRefusal) -> SigningRequest {
        do { return try SigningRequest(der: der) } catch { throw .signingRequest("\(error)") }
    }

    private static func issuing<Value>(_ work: () throws(IssuerError) -> Value) throws(ControlPlaneRefusal) -> Value {
        do { return try work() } catch {
            if case .audienceMissing = error { throw .body("\(error)") }
            throw .issuing("\(error)")
        }
    }

    private func issue(
        _ id: SPIFFEID, _ request: SigningRequest, lifetime: Duration, at now: Date,
    ) throws(ControlPlaneRefusal) -> [Certificate] {
        try Self.issuing { () throws(IssuerError) in
            try state.authority.issueX509SVID(for: id, request: request, lifetime: lifetime, now: now)
        }
    }

    private func answer(_ id: SPIFFEID, _ chain: [Certificate]) throws(ControlPlaneRefusal) -> X509SVIDResponse {
        do {
            return X509SVIDResponse(
                spiffeID: id, chain: try chain.map { Data(try $0.derBytes()) }, notAfter: chain[0].notValidAfter,
                bundle: state.bundle)
        } catch { throw .issuing("\(error)") }
    }

    private func record(
        _ type: String, at now: Date, _ details: [String: AuditValue?], _ leaf: Certificate,
    ) async throws(ControlPlaneRefusal) {
        var details = details
        details["svidSerial"] = .string(leaf.serialNumber.hexadecimal)
        details["notAfter"] = .string(leaf.notValidAfter.formatted(.iso8601))
        let entry = AuditChain.Entry(time: now, type: type, details: details)
        try await state.store.write { try AuditChain.append([entry], to: $0) }
    }

    /// Best effort: what is refused stays refused where the audit cannot take it.
    private func refused(
        _ type: String, _ details: [String: AuditValue?], because refusal: ControlPlaneRefusal,
    ) async {
        var details = details
        details["reason"] = .string("\(refusal.code): \(refusal)")
        let entry = AuditChain.Entry(time: state.now(), type: type, details: details)
        try? await state.store.write { try AuditChain.append([entry], to: $0) }
    }
}

extension ProcessEvidence {
    var auditValue: AuditValue {
        .object([
            "pid": .integer(Int64(pid)), "startTime": .integer(Int64(clamping: startTime)), "exe": .string(exe),
            "argv": .list(argv.map { .string($0) }), "uid": .integer(Int64(uid)),
        ])
    }
}
