package import ControlPlaneAPI
import Foundation
import Issuer
import Limits
import Logging
import SPIFFE
import X509

/// What agents ask for. Every answer that gives a credential is in the audit before it leaves.
package struct AgentDesk: Sendable {
    let state: ControlPlaneState
    var budgets: AgentBudgets { state.budgets }

    package init(state: ControlPlaneState) {
        self.state = state
    }

    /// The one call of a stranger: a join token for an SVID.
    package func attest(_ request: AttestRequest) async throws(ControlPlaneRefusal) -> X509SVIDResponse {
        do {
            return try await admit(request)
        } catch {
            // Whoever has no token must not be able to fill the disk with refusals; beyond some they are a number.
            let verdict = state.strangers.take(at: state.now())
            guard verdict.isTold else { throw error }
            if verdict.untold > 0 {
                await append(.untold("agent.refused", verdict.untold, at: state.now()), of: nil)
            }
            await refused("agent.refused", of: nil, ["name": .string(request.name)], because: error)
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
                svid: .init(chain[0]), now: now, in: database)
        }
        return try answer(id, chain)
    }

    /// Who calls, if that is an agent with a live record.
    ///
    /// - Parameter recognized: called where what it shows is the SVID issued last, and was used before.
    package func agent(
        _ peer: Peer?, recognized: @Sendable () -> Void = {},
    ) async throws(ControlPlaneRefusal) -> AgentDirectory.Agent {
        guard let peer else { throw .certificateMissing }
        // A connection may outlive the certificate it was opened with.
        guard state.now() < peer.notAfter else { throw .notAnAgent(peer.id) }
        let (shown, now) = (AgentDirectory.Shown(peer), state.now())
        let plain = try await state.store.read { database in
            // A workload's SVID has no record either.
            try AgentDirectory.decision(on: shown, of: peer.id, now: now, in: database) == .current
                ? AgentDirectory.agent(peer.id, in: database) : nil
        }
        if let plain {
            recognized()
            return plain
        }
        let agent = try await state.store.write(for: peer.id) { database in
            try AgentDirectory.admit(shown, of: peer.id, now: now, in: database)
        }
        guard let agent else { throw await evicted(peer.id) }
        return agent
    }

    /// Whose stream goes on. A stream may be older than the SVID its agent has since: that is no use of it.
    package func agent(stillStreaming peer: Peer) async throws(ControlPlaneRefusal) -> AgentDirectory.Agent {
        guard state.now() < peer.notAfter else { throw .notAnAgent(peer.id) }
        let (shown, now) = (AgentDirectory.Shown(peer), state.now())
        return try await state.store.read { database in
            switch try AgentDirectory.decision(on: shown, of: peer.id, now: now, in: database) {
            case .refused, .ended: throw ControlPlaneRefusal.notAnAgent(peer.id)
            case .current, .firstUse, .former, .unrecorded, .replaced:
                return try AgentDirectory.agent(peer.id, in: database)
            }
        }
    }

    /// Whoever holds a stream as this agent loses it.
    private func evicted(_ id: SPIFFEID) async -> ControlPlaneRefusal {
        await state.hub.wakeAll()
        return .agentEvicted(id, reason: "an SVID was used that had been replaced")
    }

    /// Gives an agent its next SVID. The one it showed is good until that is used first, as the answer may be lost.
    ///
    /// - Throws: ``ControlPlaneRefusal/agentEvicted(_:reason:)`` where what it showed had been replaced.
    package func renew(
        _ request: RenewRequest, for agent: AgentDirectory.Agent, showing peer: Peer,
    ) async throws(ControlPlaneRefusal) -> X509SVIDResponse {
        let now = state.now()
        let shown = AgentDirectory.Shown(peer)
        let chain = try issue(
            agent.id, Self.signingRequest(request.csr), lifetime: state.configuration.agentSVIDLifetime, at: now)
        let next = AgentDirectory.Shown(chain[0])
        let details: [String: AuditValue?] = [
            "spiffeID": .string(agent.id.description), "agent": .string(agent.id.description),
            "svidSerial": .string(next.serial), "notAfter": .string(chain[0].notValidAfter.formatted(.iso8601)),
        ]
        let entry = AuditChain.Entry(time: now, type: "svid.issued", details: details)
        let isAgent = try await state.store.write(for: agent.id) { database in
            guard try AgentDirectory.admit(shown, of: agent.id, renewing: true, now: now, in: database) != nil else {
                return false
            }
            try AgentDirectory.replace(shown, by: next, of: agent.id, in: database)
            try AuditChain.append([entry], to: database)
            return true
        }
        guard isAgent else { throw await evicted(agent.id) }
        return try answer(agent.id, chain)
    }

    /// Issues, once the audit has it. A refusal is in the audit, too.
    ///
    /// - Throws: ``ControlPlaneRefusal/notInGroup(_:)`` where no manifest gives the ID to the agent's group.
    package func x509SVID(
        _ request: X509SVIDRequest, for agent: AgentDirectory.Agent,
    ) async throws(ControlPlaneRefusal) -> X509SVIDResponse {
        let now = state.now()
        let details: [String: AuditValue?] = [
            "spiffeID": .string(request.spiffeID.description), "agent": .string(agent.id.description),
            "process": request.process?.auditValue,
        ]
        do {
            let time = try await issueTime(for: request.spiffeID, by: agent, now: now)
            let signing = try Self.signingRequest(request.csr)
            let chain = try issue(request.spiffeID, signing, lifetime: state.configuration.svidLifetime, at: time.date)
            try await record(
                Issued(
                    id: request.spiffeID, time: time, end: chain[0].notValidAfter,
                    entry: Self.entry("svid.issued", at: now, details, chain[0])), to: agent, now: now)
            return try answer(request.spiffeID, chain)
        } catch {
            await refused("svid.refused", of: agent.id, details, because: error)
            throw error
        }
    }

    /// As ``x509SVID(_:for:)``; for five minutes at most.
    package func jwtSVID(
        _ request: JWTSVIDRequest, for agent: AgentDirectory.Agent,
    ) async throws(ControlPlaneRefusal) -> JWTSVIDResponse {
        let now = state.now()
        let details: [String: AuditValue?] = [
            "spiffeID": .string(request.spiffeID.description), "agent": .string(agent.id.description),
            "audience": .list(request.audience.map { .string($0) }),
        ]
        do {
            let time = try await issueTime(for: request.spiffeID, by: agent, now: now)
            let lifetime = min(state.configuration.svidLifetime, Limits.SVID.jwtLifetime)
            let token = try Self.issuing { () throws(IssuerError) in
                try state.authority.issueJWTSVID(
                    for: request.spiffeID, audience: request.audience, issuer: state.configuration.trustDomain.uri,
                    lifetime: lifetime, now: time.date)
            }
            let end = time.date.addingTimeInterval(lifetime / .seconds(1))
            let entry = AuditChain.Entry(time: now, type: "jwt_svid.issued", details: details)
            try await record(Issued(id: request.spiffeID, time: time, end: end, entry: entry), to: agent, now: now)
            return JWTSVIDResponse(token: token, expiresAt: end)
        } catch {
            await refused("jwt_svid.refused", of: agent.id, details, because: error)
            throw error
        }
    }

    /// As of when this agent may have a credential of that ID.
    func issueTime(
        for requested: SPIFFEID, by agent: AgentDirectory.Agent, now: Date,
    ) async throws(ControlPlaneRefusal) -> IssueTime {
        let time = try await state.store.read { database in
            try state.registry.issueTime(for: requested, group: agent.group, now: now, in: database)
        }
        let decision = IssuancePolicy.decision(
            agent: agent.id, agentGroup: agent.group, requested: requested,
            identitiesOfGroup: time == nil ? [] : [requested])
        guard case .issue = decision, let time else { throw .notInGroup(decision.reason) }
        return time
    }

    /// A workload's credential that is made and has not left.
    struct Issued {
        let id: SPIFFEID
        let time: IssueTime
        let end: Date
        let entry: AuditChain.Entry
    }

    /// In one transaction with the manifests: what is withdrawn meanwhile does not leave.
    func record(
        _ issued: Issued, to agent: AgentDirectory.Agent, now: Date,
    ) async throws(ControlPlaneRefusal) {
        try await state.store.write(for: agent.id) { database in
            // What is recorded of an agent afterwards is not taken back with its right.
            try AgentDirectory.checkStanding(of: agent.id, in: database)
            let next = try state.registry.issueTime(for: issued.id, group: agent.group, now: now, in: database)
            guard let next, next <= issued.time else {
                throw ControlPlaneRefusal.notInGroup("\(issued.id) was withdrawn while this was issued; ask again")
            }
            let isWritten = try state.registry.identities(ofGroup: agent.group, in: database).isWritten(issued.id)
            try Issuances.record(
                issued.id, through: agent, isWritten: isWritten, at: issued.time, until: issued.end, now: now,
                in: database)
            try AuditChain.append([issued.entry], to: database)
        }
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

    private static func entry(
        _ type: String, at now: Date, _ details: [String: AuditValue?], _ leaf: Certificate,
    ) -> AuditChain.Entry {
        var details = details
        details["svidSerial"] = .string(leaf.serialNumber.hexadecimal)
        details["notAfter"] = .string(leaf.notValidAfter.formatted(.iso8601))
        return AuditChain.Entry(time: now, type: type, details: details)
    }

    /// Best effort: what is refused stays refused where the audit cannot take it.
    private func refused(
        _ type: String, of agent: SPIFFEID?, _ details: [String: AuditValue?], because refusal: ControlPlaneRefusal,
    ) async {
        var details = details
        details["reason"] = .string("\(refusal.code): \(refusal)")
        await append(AuditChain.Entry(time: state.now(), type: type, details: details), of: agent)
    }

    /// Refused stays refused whether or not the audit takes it.
    private func append(_ entry: AuditChain.Entry, of agent: SPIFFEID?) async {
        try? await state.store.write(for: agent) { try AuditChain.append([entry], to: $0) }
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
