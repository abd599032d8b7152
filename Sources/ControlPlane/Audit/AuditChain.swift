package import ControlPlaneAPI
package import Foundation
package import GRDB
package import SPIFFE

/// The append-only record of what happened, each entry hashed together with the one before.
///
/// `hash = SHA-256(previous hash ‖ canonical text)`, where the hash is 32 bytes (none before the first entry) and the
/// canonical text is the JSON object of `details`, `sequence`, `source`, `time` and `type` with sorted keys and no white space.
package enum AuditChain {
    /// An entry that has no place in the chain yet.
    package struct Entry: Sendable {
        package var time: Date
        package var source: String
        package var type: String
        package var details: [String: AuditValue]

        package init(time: Date, source: String = "tidemark-server", type: String, details: [String: AuditValue?]) {
            self.time = time
            self.source = source
            self.type = type
            // Here, as this is where all records come through: nobody's text fills the disk.
            self.details = details.compactMapValues { $0?.bounded() }
        }
    }

    package static func append(_ entries: [Entry], to database: Database) throws {
        var last = try lastLink(database)
        var bytes = 0
        for entry in entries {
            let link = try last.next(entry)
            try database.cachedStatement(
                sql: "INSERT INTO audit (sequence, time, source, type, details, hash) VALUES (?, ?, ?, ?, ?, ?)"
            ).execute(arguments: [link.sequence, link.time, link.source, link.type, link.details, link.hash])
            last = link
            bytes += link.bytes
        }
        try database.execute(sql: "UPDATE audit_floor SET bytes = bytes + ?", arguments: [bytes])
    }

    /// Records after a sequence number, oldest first.
    ///
    /// - Parameter spiffeID: only those that name it as `spiffeID` or `peer`.
    package static func records(
        after sequence: Int64, limit: Int, spiffeID: SPIFFEID?, in database: Database,
    ) throws -> [AuditRecord] {
        let id = spiffeID?.description
        let rows = try Row.fetchAll(
            database,
            sql: """
                SELECT * FROM audit WHERE sequence > ?1
                    AND (?2 IS NULL OR details ->> 'spiffeID' = ?2 OR details ->> 'peer' = ?2)
                ORDER BY sequence LIMIT ?3
                """,
            arguments: [sequence, id, limit],
        )
        return try rows.map { try AuditLink(row: $0).record() }
    }

    /// The newest record; where there is none left, what stands for those that were removed.
    static func lastLink(_ database: Database) throws -> AuditLink {
        let row = try Row.fetchOne(database, sql: "SELECT * FROM audit ORDER BY sequence DESC LIMIT 1")
        return try row.map(AuditLink.init(row:)) ?? AuditFloor.read(database).link
    }

    static func link(_ sequence: Int64, in database: Database) throws -> AuditLink? {
        try Row.fetchOne(database, sql: "SELECT * FROM audit WHERE sequence = ?", arguments: [sequence])
            .map(AuditLink.init(row:))
    }
}

extension Sequence<UInt8> {
    /// Lower case, two digits a byte.
    var hexadecimal: String {
        map { byte in byte < 16 ? "0" + String(byte, radix: 16) : String(byte, radix: 16) }.joined()
    }
}
