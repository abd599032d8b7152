package import ControlPlaneAPI
import Crypto
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
            self.details = details.compactMapValues { $0 }
        }
    }

    package static func append(_ entries: [Entry], to database: Database) throws {
        var last = try lastLink(database)
        for entry in entries {
            let link = try last.next(entry)
            try database.execute(
                sql: "INSERT INTO audit (sequence, time, source, type, details, hash) VALUES (?, ?, ?, ?, ?, ?)",
                arguments: [link.sequence, link.time, link.source, link.type, link.details, link.hash],
            )
            last = link
        }
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
        return try rows.map { try Link(row: $0).record() }
    }

    /// Walks the whole chain and names the first record that does not fit.
    package static func verify(_ database: Database) throws -> AuditVerification {
        var last = Link.beforeFirst
        do {
            let rows = try Row.fetchCursor(database, sql: "SELECT * FROM audit ORDER BY sequence")
            while let row = try rows.next() {
                let link = try Link(row: row)
                if let reason = try link.fault(after: last) {
                    return broken(at: last.sequence + 1, records: last.sequence, reason)
                }
                last = link
            }
        } catch let error as DatabaseError {
            return broken(
                at: last.sequence + 1, records: last.sequence, "it cannot be read: \(error.message ?? "\(error)")")
        }
        let appended = try Int64.fetchOne(database, sql: "SELECT seq FROM sqlite_sequence WHERE name = 'audit'") ?? 0
        guard appended == last.sequence else {
            return broken(
                at: last.sequence + 1, records: last.sequence,
                "\(appended) records were appended, the last ones are missing")
        }
        return AuditVerification(records: last.sequence, intact: true)
    }

    private static func broken(at sequence: Int64, records: Int64, _ reason: String) -> AuditVerification {
        AuditVerification(records: records, intact: false, brokenAt: sequence, reason: reason)
    }

    private static func lastLink(_ database: Database) throws -> Link {
        let row = try Row.fetchOne(database, sql: "SELECT * FROM audit ORDER BY sequence DESC LIMIT 1")
        return try row.map(Link.init(row:)) ?? .beforeFirst
    }
}

/// A record in the very text it is hashed and stored in.
private struct Link {
    var sequence: Int64
    var time: String
    var source: String
    var type: String
    var details: String
    /// 64 lower-case hexadecimal digits; empty before the first record.
    var hash: String

    static let beforeFirst = Link(sequence: 0, time: "", source: "", type: "", details: "", hash: "")

    private init(sequence: Int64, time: String, source: String, type: String, details: String, hash: String) {
        self.sequence = sequence
        self.time = time
        self.source = source
        self.type = type
        self.details = details
        self.hash = hash
    }

    init(row: Row) throws {
        sequence = try row.decode(Int64.self, forColumn: "sequence")
        time = try row.decode(String.self, forColumn: "time")
        source = try row.decode(String.self, forColumn: "source")
        type = try row.decode(String.self, forColumn: "type")
        details = try row.decode(String.self, forColumn: "details")
        hash = try row.decode(String.self, forColumn: "hash")
    }

    func next(_ entry: AuditChain.Entry) throws -> Link {
        var link = Link(
            sequence: sequence + 1,
            time: try Self.json(entry.time).trimmingCharacters(in: CharacterSet(charactersIn: "\"")),
            source: entry.source,
            type: entry.type,
            details: try Self.json(entry.details),
            hash: "",
        )
        link.hash = try link.digest(after: hash)
        return link
    }

    /// - Returns: nil where this record follows `last`.
    func fault(after last: Link) throws -> String? {
        guard sequence == last.sequence + 1 else {
            return "the record is missing; the next one there is has number \(sequence)"
        }
        guard try hash == digest(after: last.hash) else {
            return "its hash does not fit its text and the record before"
        }
        return nil
    }

    func record() throws -> AuditRecord {
        let decoder = WireCoding.decoder()
        return AuditRecord(
            sequence: sequence,
            time: try decoder.decode(Date.self, from: Data("\"\(time)\"".utf8)),
            source: source,
            type: type,
            details: try decoder.decode([String: AuditValue].self, from: Data(details.utf8)),
            hash: hash,
        )
    }

    private func digest(after previous: String) throws -> String {
        let canonical =
            "{\"details\":\(details),\"sequence\":\(sequence),\"source\":\(try Self.json(source)),"
            + "\"time\":\(try Self.json(time)),\"type\":\(try Self.json(type))}"
        var hash = SHA256()
        hash.update(data: Data(hexadecimal: previous))
        hash.update(data: Data(canonical.utf8))
        return hash.finalize().hexadecimal
    }

    private static func json(_ value: some Encodable) throws -> String {
        String(decoding: try WireCoding.encoder().encode(value), as: UTF8.self)
    }
}

extension Sequence<UInt8> {
    /// Lower case, two digits a byte.
    var hexadecimal: String {
        map { byte in byte < 16 ? "0" + String(byte, radix: 16) : String(byte, radix: 16) }.joined()
    }
}

extension Data {
    /// Pairs that are no hexadecimal digits are left out: the hash then does not fit.
    fileprivate init(hexadecimal text: String) {
        let digits = Array(text.utf8)
        let pairs = stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0...($0 + 1)] }
        self.init(pairs.compactMap { UInt8(String(decoding: $0, as: UTF8.self), radix: 16) })
    }
}
