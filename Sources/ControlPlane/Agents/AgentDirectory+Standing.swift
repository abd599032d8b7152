import ControlPlaneAPI
package import Foundation
package import GRDB
package import SPIFFE
package import X509

// Who is an agent still: by the SVID that was issued last, until an operator says otherwise.
extension AgentDirectory {
    /// A certificate an agent shows.
    package struct Shown: Sendable {
        package let serial: String
        /// Milliseconds.
        package let notBefore: Int64

        package init(serial: String, notBefore: Date) {
            self.serial = serial
            self.notBefore = notBefore.milliseconds
        }

        package init(_ peer: Peer) { self.init(peer.leaf) }

        package init(_ leaf: Certificate) {
            self.init(serial: leaf.serialNumber.hexadecimal, notBefore: leaf.notValidBefore)
        }
    }

    /// nil: no such agent was ever let in, or it was deleted.
    package static func standing(of id: SPIFFEID, in database: Database) throws -> AgentStanding? {
        let row = try Row.fetchOne(
            database,
            sql: """
                SELECT agents.*, banned_agents.spiffe_id IS NOT NULL AS is_banned
                FROM agents LEFT JOIN banned_agents USING (spiffe_id) WHERE spiffe_id = ?
                """,
            arguments: [id.description])
        return row.map { row in
            AgentStanding(
                serial: row["serial"], notBefore: row["serial_not_before"] ?? 0, former: row["former_serial"],
                formerUntil: row["former_until"], lifeBegan: row["life_began"] ?? 0, evicted: row["evicted"],
                isBanned: row["is_banned"])
        }
    }

    /// What is to be done about one who shows a certificate; nothing is written.
    package static func decision(
        on shown: Shown, of id: SPIFFEID, now: Date, in database: Database,
    ) throws -> AgentStanding.Decision {
        guard let standing = try standing(of: id, in: database) else { throw ControlPlaneRefusal.notAnAgent(id) }
        return standing.decision(onSerial: shown.serial, notBefore: shown.notBefore, now: now.milliseconds)
    }

    /// The agent that shows a certificate, with what that changes of its standing.
    ///
    /// - Returns: nil where it was evicted by this, which is on record then.
    package static func admit(
        _ shown: Shown, of id: SPIFFEID, renewing: Bool = false, now: Date, in database: Database,
    ) throws -> Agent? {
        switch try decision(on: shown, of: id, now: now, in: database) {
        case .current: break
        case .former(let mayRenew) where mayRenew || !renewing: break
        case .firstUse:
            try database.execute(
                sql: "UPDATE agents SET former_until = ? WHERE spiffe_id = ?",
                arguments: [now.milliseconds + AgentStanding.grace, id.description])
        case .unrecorded: try record(shown, of: id, in: database)
        case .ended: throw ControlPlaneRefusal.notAnAgent(id)
        case .refused(let reason): throw ControlPlaneRefusal.agentEvicted(id, reason: reason)
        case .replaced, .former:
            try evict(id, because: "an SVID was used that had been replaced", serial: shown.serial, now: now, database)
            return nil
        }
        return try agent(id, in: database)
    }

    /// A new SVID takes the place of the one that was shown.
    package static func replace(_ shown: Shown, by next: Shown, of id: SPIFFEID, in database: Database) throws {
        try database.execute(
            sql: """
                UPDATE agents SET serial = ?, serial_not_before = ?, former_serial = ?, former_until = NULL
                WHERE spiffe_id = ?
                """,
            arguments: [next.serial, next.notBefore, shown.serial, id.description])
    }

    /// The first SVID of a new life: whatever was before has ended.
    static func begin(with first: Shown, of id: SPIFFEID, in database: Database) throws {
        try database.execute(
            sql: """
                UPDATE agents SET serial = ?1, serial_not_before = ?2, life_began = ?2, former_serial = NULL,
                    former_until = NULL, evicted = NULL WHERE spiffe_id = ?3
                """,
            arguments: [first.serial, first.notBefore, id.description])
    }

    private static func record(_ shown: Shown, of id: SPIFFEID, in database: Database) throws {
        try database.execute(
            sql: "UPDATE agents SET serial = ?, serial_not_before = ?, former_serial = NULL WHERE spiffe_id = ?",
            arguments: [shown.serial, shown.notBefore, id.description])
    }

    private static func evict(
        _ id: SPIFFEID, because reason: String, serial: String, now: Date, _ database: Database,
    ) throws {
        try database.execute(
            sql: "UPDATE agents SET evicted = ? WHERE spiffe_id = ?", arguments: [reason, id.description])
        let entry = AuditChain.Entry(
            time: now, type: "agent.evicted",
            details: [
                "spiffeID": .string(id.description), "svidSerial": .string(serial), "reason": .string(reason),
            ])
        try AuditChain.append([entry], to: database)
    }

    // MARK: Operators

    /// What an operator does to one agent.
    package enum Removal: String, Sendable {
        case delete = "agent.deleted"
        case ban = "agent.banned"
        case unban = "agent.unbanned"
    }

    /// - Parameter withdrawn: how many IDs had what was issued through it taken back, for the audit.
    /// - Returns: whether it was an agent, so that its listeners are known no more.
    package static func apply(
        _ removal: Removal, to id: SPIFFEID, withdrawing withdrawn: Int, by operatorName: String, now: Date,
        in database: Database,
    ) throws -> Bool {
        let wasAgent = try standing(of: id, in: database) != nil
        switch removal {
        case .delete:
            guard wasAgent else { throw ControlPlaneRefusal.noSuchAgent(id) }
            try database.execute(sql: "DELETE FROM agents WHERE spiffe_id = ?", arguments: [id.description])
        case .ban:
            try database.execute(
                sql: "INSERT OR IGNORE INTO banned_agents VALUES (?, ?)", arguments: [id.description, now.milliseconds])
            try database.execute(
                sql: "UPDATE agents SET evicted = 'an operator banned it' WHERE spiffe_id = ?",
                arguments: [id.description])
            try database.execute(sql: "DELETE FROM endpoints WHERE agent = ?", arguments: [id.description])
        case .unban:
            try database.execute(sql: "DELETE FROM banned_agents WHERE spiffe_id = ?", arguments: [id.description])
            guard database.changesCount > 0 else { throw ControlPlaneRefusal.noSuchAgent(id) }
        }
        let entry = AuditChain.Entry(
            time: now, type: removal.rawValue,
            details: [
                "spiffeID": .string(id.description), "operator": .string(operatorName),
                "withdrawn": removal.reach.map { _ in .integer(Int64(withdrawn)) },
            ])
        try AuditChain.append([entry], to: database)
        return wasAgent
    }

    /// Whether it is an agent still, whatever SVID of its own it shows.
    static func checkStanding(of id: SPIFFEID, in database: Database) throws {
        guard let standing = try standing(of: id, in: database) else { throw ControlPlaneRefusal.notAnAgent(id) }
        try checkNotBanned(id, in: database)
        if let reason = standing.evicted { throw ControlPlaneRefusal.agentEvicted(id, reason: reason) }
    }

    static func checkNotBanned(_ id: SPIFFEID, in database: Database) throws {
        let isBanned = try Bool.fetchOne(
            database, sql: "SELECT EXISTS (SELECT 1 FROM banned_agents WHERE spiffe_id = ?)",
            arguments: [id.description])
        guard isBanned != true else { throw ControlPlaneRefusal.agentEvicted(id, reason: "it is banned") }
    }
}
