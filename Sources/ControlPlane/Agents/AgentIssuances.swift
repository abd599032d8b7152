import Foundation
import GRDB
import SPIFFE

/// Through which agents credentials were issued that may not have run out: with an agent's right those of its workloads end.
enum AgentIssuances {
    /// What the end of an agent takes back.
    enum Reach {
        /// Whoever may have the agent's credentials may have those of its workloads.
        case everything
        /// The host is gone, and nobody is suspected: who has the same ID through another agent is not interrupted.
        case nobodyElses
    }

    /// - Parameter end: milliseconds, as that of ``Issuances``.
    static func record(_ id: SPIFFEID, through agent: SPIFFEID, until end: Int64, in database: Database) throws {
        try database.cachedStatement(
            sql: """
                INSERT INTO agent_issuances (agent, spiffe_id, ends_at) VALUES (?, ?, ?)
                ON CONFLICT (agent, spiffe_id) DO UPDATE SET ends_at = max(ends_at, excluded.ends_at)
                """
        ).execute(arguments: [agent.description, id.description, end])
    }

    /// The IDs that are to be taken back, in their order.
    static func ids(through agent: SPIFFEID, _ reach: Reach, now: Date, in database: Database) throws -> [SPIFFEID] {
        try String.fetchAll(
            database,
            sql: """
                SELECT spiffe_id FROM agent_issuances AS mine WHERE agent = ?1 AND ends_at >= ?2
                    AND (?3 OR NOT EXISTS (SELECT 1 FROM agent_issuances AS other
                        WHERE other.spiffe_id = mine.spiffe_id AND other.agent <> ?1 AND other.ends_at >= ?2))
                ORDER BY spiffe_id
                """,
            arguments: [agent.description, now.milliseconds, reach == .everything]
        ).map { try SPIFFEID($0) }
    }

    /// What was issued to this ID is taken back, through whomever.
    static func forget(_ id: SPIFFEID, in database: Database) throws {
        try database.execute(sql: "DELETE FROM agent_issuances WHERE spiffe_id = ?", arguments: [id.description])
    }

    static func sweep(now: Date, in database: Database) throws {
        try database.execute(sql: "DELETE FROM agent_issuances WHERE ends_at < ?", arguments: [now.milliseconds])
    }
}

extension AgentDirectory.Removal {
    /// nil: nothing is taken back.
    var reach: AgentIssuances.Reach? {
        switch self {
        case .ban: .everything
        case .delete: .nobodyElses
        case .unban: nil
        }
    }
}
