import ControlPlaneAPI
import Foundation
import GRDB
import Limits
import SPIFFE

/// To whom credentials were issued that may not have run out, and which of them were taken back: a row a SPIFFE ID.
///
/// A withdrawal takes back what was issued in its second or earlier; what is issued afterwards counts as of a later second,
/// also where the clock still shows that one. It ends with the last credential it takes back.
enum Issuances {
    /// As of when a next credential counts as issued: later than all that is withdrawn.
    static func nextTime(for id: SPIFFEID, now: Date, in database: Database) throws -> IssueTime {
        let now = IssueTime(now)
        guard let through = try withdrawnThrough(id, in: database) else { return now }
        let time = max(now, through.next)
        // Further ahead, peers would take it for one that is not valid yet.
        let ahead = Duration.seconds(time.seconds - now.seconds)
        guard ahead <= Limits.SVID.ahead else { throw ControlPlaneRefusal.withdrawnLately(id, wait: ahead) }
        return time
    }

    /// - Parameters:
    ///   - agent: through whom it goes to the workload.
    ///   - isWritten: nobody but an operator made it.
    ///   - end: when it runs out.
    static func record(
        _ id: SPIFFEID, through agent: AgentDirectory.Agent, isWritten: Bool, at time: IssueTime, until end: Date,
        now: Date, in database: Database,
    ) throws {
        try database.execute(
            sql: "DELETE FROM issuances WHERE ends_at < ? AND withdrawn_through IS NULL", arguments: [now.milliseconds])
        if !isWritten { try checkShare(of: agent.group, for: id, in: database) }
        // Clocks that are behind believe in it for longer.
        let end = end.addingTimeInterval(margin).milliseconds
        try database.execute(
            sql: """
                INSERT INTO issuances (spiffe_id, agent_group, issued_second, ends_at) VALUES (?, ?, ?, ?)
                ON CONFLICT (spiffe_id) DO UPDATE SET issued_second = max(issued_second, excluded.issued_second),
                    ends_at = max(ends_at, excluded.ends_at)
                """,
            arguments: [id.description, agent.group, time.seconds, end])
        try AgentIssuances.record(id, through: agent.id, until: end, in: database)
    }

    /// Who may start a process of any uid makes IDs of a template by it. One group's share leaves as much for others.
    private static func checkShare(of group: String, for id: SPIFFEID, in database: Database) throws {
        let isKnown = try Bool.fetchOne(
            database, sql: "SELECT EXISTS (SELECT 1 FROM issuances WHERE spiffe_id = ?)", arguments: [id.description])
        guard isKnown != true else { return }
        let own =
            try Int.fetchOne(
                database, sql: "SELECT count(*) FROM issuances WHERE agent_group = ?", arguments: [group]) ?? 0
        // Without a condition: SQLite counts pages then and not rows.
        let free = Limits.Identities.inAll - (try Int.fetchOne(database, sql: "SELECT count(*) FROM issuances") ?? 0)
        if let bound = Bound(
            reachedBy: own, of: Limits.Identities.ofGroup, free: free, of: Limits.Identities.inAll)
        {
            throw ControlPlaneRefusal.tooManyIDs(group: group, own: own, bound: bound)
        }
    }

    /// Ends what has run out and is on nobody's list, and the registrations of clients that have nothing left to prove themselves by.
    static func sweep(now: Date, in database: Database) throws {
        try AgentIssuances.sweep(now: now, in: database)
        try database.execute(
            sql: "DELETE FROM issuances WHERE ends_at < ? AND withdrawn_through IS NULL", arguments: [now.milliseconds])
        let clients = try String.fetchAll(
            database,
            sql: """
                SELECT client_id FROM oauth_clients WHERE client_id NOT IN (SELECT spiffe_id FROM issuances)
                    AND (SELECT issued_unrecorded_until FROM registry) < ?
                """,
            arguments: [now.milliseconds])
        for client in clients {
            try TokenLedger.deregister(
                try SPIFFEID(client), because: "no SVID of the client is valid any more", now: now, in: database)
        }
    }

    /// Takes back all that was issued to this ID.
    static func withdraw(_ id: SPIFFEID, now: Date, in database: Database) throws {
        try AgentIssuances.forget(id, in: database)
        let least = now.addingTimeInterval(Limits.SVID.withdrawnAtLeast / .seconds(1)).milliseconds
        try database.execute(
            sql: """
                INSERT INTO issuances (spiffe_id, issued_second, ends_at)
                SELECT ?1, ?2, max(?3, issued_unrecorded_until) FROM registry WHERE true
                ON CONFLICT (spiffe_id) DO UPDATE SET ends_at = max(ends_at, excluded.ends_at)
                """,
            arguments: [id.description, IssueTime(now).seconds, least])
        try database.execute(
            sql: """
                UPDATE issuances SET withdrawn_through = max(issued_second, ?2, coalesce(withdrawn_through, 0)),
                    withdrawn_until = ends_at WHERE spiffe_id = ?1
                """,
            arguments: [id.description, IssueTime(now).seconds])
    }

    /// Ends what has run out. Only where a new version is made: within one the list stays the same.
    static func purge(now: Date, in database: Database) throws {
        try database.execute(
            sql: """
                UPDATE issuances SET withdrawn_through = NULL, withdrawn_until = NULL WHERE withdrawn_until < ?1;
                """,
            arguments: [now.milliseconds])
        try database.execute(
            sql: "DELETE FROM issuances WHERE ends_at < ? AND withdrawn_through IS NULL", arguments: [now.milliseconds])
    }

    /// Every ID that has something which may be good.
    static func all(in database: Database) throws -> [SPIFFEID] {
        try String.fetchAll(database, sql: "SELECT spiffe_id FROM issuances").map { try SPIFFEID($0) }
    }

    /// In the order of the IDs.
    static func withdrawals(in database: Database) throws -> [Withdrawal] {
        try Row.fetchAll(
            database,
            sql: """
                SELECT spiffe_id, withdrawn_through FROM issuances WHERE withdrawn_through IS NOT NULL ORDER BY spiffe_id
                """
        ).map { row in
            Withdrawal(
                spiffeID: try SPIFFEID(row["spiffe_id"]), through: IssueTime(seconds: row["withdrawn_through"]))
        }
    }

    static func withdrawnThrough(_ id: SPIFFEID, in database: Database) throws -> IssueTime? {
        let statement = try database.cachedStatement(
            sql: "SELECT withdrawn_through FROM issuances WHERE spiffe_id = ?")
        return try Int64.fetchOne(statement, arguments: [id.description]).map(IssueTime.init(seconds:))
    }

    private static let margin = Limits.SVID.backdating / .seconds(1)
}
