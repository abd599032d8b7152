import ControlPlaneAPI
import Foundation
import GRDB
import Limits
import SPIFFE

/// Where workloads listen, as agents claim it. Of several claims of one endpoint the earliest stands; the others wait.
enum EndpointClaims {
    private static let isStanding = """
        NOT EXISTS (SELECT 1 FROM endpoints AS other
            WHERE other.address = mine.address AND other.port = mine.port AND other.claim < mine.claim)
        """

    /// - Parameter agent: nil for those of all agents.
    static func standing(of agent: SPIFFEID? = nil, in database: Database) throws -> [Endpoint] {
        let rows = try Row.fetchAll(
            database,
            sql: """
                SELECT DISTINCT address, port, workload FROM endpoints AS mine
                WHERE (?1 IS NULL OR agent = ?1) AND \(isStanding) ORDER BY workload, address, port
                """,
            arguments: [agent?.description],
        )
        return try rows.map(Endpoint.init(row:))
    }

    /// Claims of one agent that others came before.
    static func contested(of agent: SPIFFEID, in database: Database) throws -> [RefusedEndpoint] {
        let rows = try Row.fetchAll(
            database,
            sql: """
                SELECT address, port, workload FROM endpoints AS mine
                WHERE agent = ? AND NOT \(isStanding) ORDER BY claim LIMIT ?
                """,
            arguments: [agent.description, Limits.Endpoints.toldOfAgent],
        )
        return try rows.map(Endpoint.init(row:)).compactMap { endpoint in
            try holder(of: endpoint, in: database).map {
                RefusedEndpoint(endpoint: endpoint, reason: $0.reason)
            }
        }
    }

    /// Whose claim of this place stands.
    struct Holder {
        let agent: String
        let workload: String

        var reason: String { "\(agent) claimed it earlier, for \(workload)" }
    }

    static func holder(of endpoint: Endpoint, in database: Database) throws -> Holder? {
        let earliest = try database.cachedStatement(
            sql: "SELECT agent, workload FROM endpoints WHERE address = ? AND port = ? ORDER BY claim LIMIT 1")
        return try Row.fetchOne(earliest, arguments: [endpoint.address, endpoint.port]).map {
            Holder(agent: $0["agent"], workload: $0["workload"])
        }
    }

    static func count(in database: Database) throws -> Int {
        try Int.fetchOne(database, sql: "SELECT count(*) FROM endpoints") ?? 0
    }

    static func all(of agent: SPIFFEID, in database: Database) throws -> Set<Endpoint> {
        Set(
            try Row.fetchAll(
                database, sql: "SELECT address, port, workload FROM endpoints WHERE agent = ?",
                arguments: [agent.description],
            ).map(Endpoint.init(row:)))
    }

    static func add(
        _ endpoint: Endpoint, of agent: SPIFFEID, telling: String, in database: Database,
    ) throws {
        try database.cachedStatement(
            sql: """
                INSERT INTO endpoints (agent, address, port, workload, telling) VALUES (?, ?, ?, ?, ?)
                ON CONFLICT (agent, address, port, workload) DO UPDATE SET telling = excluded.telling
                """
        ).execute(arguments: [
            agent.description, endpoint.address, endpoint.port, endpoint.workload.description, telling,
        ])
    }

    static func remove(_ endpoint: Endpoint, of agent: SPIFFEID, in database: Database) throws {
        try database.cachedStatement(
            sql: "DELETE FROM endpoints WHERE agent = ? AND address = ? AND port = ? AND workload = ?"
        ).execute(arguments: [agent.description, endpoint.address, endpoint.port, endpoint.workload.description])
    }

    /// Takes away what was told under other names only.
    static func settle(_ telling: String, of agent: SPIFFEID, in database: Database) throws {
        try database.execute(
            sql: "DELETE FROM endpoints WHERE agent = ? AND telling <> ?", arguments: [agent.description, telling])
    }

    /// Puts the claims of an agent that is away behind those that wait for them.
    ///
    /// - Returns: the places that somebody else holds now.
    static func pass(from agent: String, in database: Database) throws -> [Endpoint] {
        let rows = try Row.fetchAll(
            database,
            sql: """
                SELECT claim, address, port, workload FROM endpoints AS mine WHERE agent = ?1 AND \(isStanding)
                    AND EXISTS (SELECT 1 FROM endpoints AS waiting WHERE waiting.address = mine.address
                        AND waiting.port = mine.port AND waiting.agent <> ?1)
                """,
            arguments: [agent])
        for row in rows {
            let claim: Int64 = row["claim"]
            try database.execute(
                sql: "UPDATE endpoints SET claim = (SELECT max(claim) + 1 FROM endpoints) WHERE claim = ?",
                arguments: [claim])
        }
        return try rows.map(Endpoint.init(row:))
    }

    /// Agents whose claims others wait for.
    static func waitedFor(in database: Database) throws -> [String] {
        try String.fetchAll(
            database,
            sql: """
                SELECT DISTINCT mine.agent FROM endpoints AS mine JOIN endpoints AS waiting
                    ON waiting.address = mine.address AND waiting.port = mine.port AND waiting.claim > mine.claim
                        AND waiting.agent <> mine.agent
                """)
    }
}

extension Endpoint {
    fileprivate init(row: Row) throws {
        self.init(address: row["address"], port: row["port"], workload: try SPIFFEID(row["workload"]))
    }
}
