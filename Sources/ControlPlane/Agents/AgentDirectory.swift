package import ControlPlaneAPI
import Crypto
package import Foundation
package import GRDB
import Limits
package import SPIFFE

/// Which agents there are, how new ones get in, and what they last reported.
package enum AgentDirectory {
    /// An agent that was let in.
    package struct Agent: Sendable, Equatable {
        package let id: SPIFFEID
        package let group: String
    }

    /// Seconds.
    package static let joinTokenLifetime = 1...Int(Limits.JoinTokens.longestLifetime / .seconds(1))

    // MARK: Join tokens

    /// - Returns: the token, which is not kept.
    package static func createJoinToken(
        group: String, expiresAt: Date, by operatorName: String, now: Date, in database: Database,
    ) throws -> String {
        let token = SymmetricKey(size: .bits256).withUnsafeBytes { $0.hexadecimal }
        try database.execute(
            sql: "DELETE FROM join_tokens WHERE expires_at < ?",
            arguments: [now.milliseconds - Int64(Limits.JoinTokens.kept / .milliseconds(1))])
        try database.execute(
            sql: "INSERT INTO join_tokens (sha256, agent_group, expires_at) VALUES (?, ?, ?)",
            arguments: [digest(token), group, expiresAt.milliseconds],
        )
        let entry = AuditChain.Entry(
            time: now, type: "join_token.created",
            details: [
                "agentGroup": .string(group), "expiresAt": .string(expiresAt.formatted(.iso8601)),
                "operator": .string(operatorName),
            ],
        )
        try AuditChain.append([entry], to: database)
        return token
    }

    /// The group a token lets into, if it still does.
    package static func group(ofJoinToken token: String, now: Date, in database: Database) throws -> String {
        let row = try Row.fetchOne(
            database, sql: "SELECT agent_group, expires_at, used_at FROM join_tokens WHERE sha256 = ?",
            arguments: [digest(token)])
        guard let row else { throw ControlPlaneRefusal.joinTokenUnknown }
        guard row["used_at"] == nil else { throw ControlPlaneRefusal.joinTokenUsed }
        guard now.milliseconds < row["expires_at"] as Int64 else { throw ControlPlaneRefusal.joinTokenExpired }
        return row["agent_group"]
    }

    /// One statement decides, so of two agents with the same token one gets in.
    private static func useJoinToken(_ token: String, now: Date, in database: Database) throws {
        try database.execute(
            sql: "UPDATE join_tokens SET used_at = ?1 WHERE sha256 = ?2 AND used_at IS NULL AND expires_at > ?1",
            arguments: [now.milliseconds, digest(token)],
        )
        guard database.changesCount == 1 else {
            _ = try group(ofJoinToken: token, now: now, in: database)
            throw ControlPlaneRefusal.joinTokenUsed
        }
    }

    private static func digest(_ token: String) -> Data { Data(SHA256.hash(data: Data(token.utf8))) }

    // MARK: Agents

    /// `spiffe://<trust domain>/tidemark/agent/<group>/<name>`.
    ///
    /// - Throws: ``ControlPlaneRefusal/agentName(_:reason:)``; 253 bytes are what a host's name may have.
    package static func identifier(
        trustDomain: TrustDomain, group: String, name: String
    ) throws(ControlPlaneRefusal) -> SPIFFEID {
        guard !name.contains("/") else { throw .agentName(name, reason: "a slash is not allowed") }
        guard name.utf8.count <= 253 else { throw .agentName(name, reason: "253 bytes are allowed") }
        do {
            let path = try SPIFFEPath("tidemark/agent/\(group)/\(name)")
            return try SPIFFEID(trustDomain: trustDomain, path: path)
        } catch {
            throw .agentName(name, reason: "\(error)")
        }
    }

    /// - Throws: ``ControlPlaneRefusal/agentGroup(_:reason:)`` where the group's name makes no part of a SPIFFE ID.
    package static func checkGroup(_ group: String, trustDomain: TrustDomain) throws(ControlPlaneRefusal) {
        guard !group.contains("/") else { throw .agentGroup(group, reason: "a slash is not allowed") }
        do {
            _ = try SPIFFEID(trustDomain: trustDomain, path: SPIFFEPath("tidemark/agent/\(group)/x"))
        } catch {
            throw .agentGroup(group, reason: "\(error)")
        }
    }

    /// Lets an agent in, with its token used up and the certificate on record.
    package static func admit(
        _ agent: Agent, name: String, joinToken: String, svid: Shown, now: Date, in database: Database,
    ) throws {
        try checkNotBanned(agent.id, in: database)
        try useJoinToken(joinToken, now: now, in: database)
        try database.execute(
            sql: """
                INSERT INTO agents (spiffe_id, agent_group, name, attested_at) VALUES (?, ?, ?, ?)
                ON CONFLICT (spiffe_id) DO UPDATE SET attested_at = excluded.attested_at
                """,
            arguments: [agent.id.description, agent.group, name, now.milliseconds],
        )
        try begin(with: svid, of: agent.id, in: database)
        let entry = AuditChain.Entry(
            time: now, type: "agent.attested",
            details: [
                "spiffeID": .string(agent.id.description), "agentGroup": .string(agent.group),
                "svidSerial": .string(svid.serial),
            ],
        )
        try AuditChain.append([entry], to: database)
    }

    /// - Throws: ``ControlPlaneRefusal/notAnAgent(_:)``. An evicted or banned agent is found; see ``decision(on:of:now:in:)``.
    package static func agent(_ id: SPIFFEID, in database: Database) throws -> Agent {
        let group = try String.fetchOne(
            database, sql: "SELECT agent_group FROM agents WHERE spiffe_id = ?", arguments: [id.description])
        guard let group else { throw ControlPlaneRefusal.notAnAgent(id) }
        return Agent(id: id, group: group)
    }

    // MARK: Reports

    /// Keeps what the agent says of its latest version, enforced or not; ``statuses(connected:refused:in:)`` tells it.
    package static func acknowledge(_ acknowledgement: Acknowledgement, by agent: Agent, in database: Database) throws {
        try database.execute(
            sql: "UPDATE agents SET acknowledged = ?, error = ? WHERE spiffe_id = ?",
            arguments: [
                Int64(clamping: acknowledgement.version),
                acknowledgement.error?.cut(toJSONBytes: Limits.Audit.textBytes), agent.id.description,
            ],
        )
    }

    /// - Parameters:
    ///   - connected: who holds a snapshot stream now.
    ///   - refused: endpoints that are not kept, by agent.
    package static func statuses(
        connected: Set<SPIFFEID>, refused: [SPIFFEID: [RefusedEndpoint]] = [:], in database: Database,
    ) throws -> [ControlPlaneStatus.AgentStatus] {
        try Row.fetchAll(database, sql: "SELECT * FROM agents ORDER BY spiffe_id").map { row in
            let id = try SPIFFEID(row["spiffe_id"])
            return ControlPlaneStatus.AgentStatus(
                spiffeID: id.description,
                agentGroup: row["agent_group"],
                connected: connected.contains(id),
                acknowledgedVersion: UInt64(clamping: row["acknowledged"] as Int64),
                error: row["error"],
                endpoints: try EndpointClaims.standing(of: id, in: database),
                refusedEndpoints: try EndpointClaims.contested(of: id, in: database) + (refused[id] ?? []),
                evicted: row["evicted"],
            )
        }
    }
}
