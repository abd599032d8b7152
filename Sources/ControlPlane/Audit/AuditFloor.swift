import ControlPlaneAPI
import Foundation
import GRDB
import Limits
import SPIFFE

/// Where the audit begins: what is below was removed by retention, and this, signed, stands for it.
struct AuditFloor {
    var sequence: Int64
    var hash: String
    /// What was wrong with the removed records, or empty: a fault that was found does not go with its record.
    var fault = ""
    /// ECDSA with SHA-256 over ``text(trustDomain:)``, DER in base64url.
    var signature: String
    /// Of all records that are there. Not signed: it changes with each record, and by it no fault is hidden.
    var bytes: Int64

    static func read(_ database: Database) throws -> AuditFloor {
        guard let row = try Row.fetchOne(database, sql: "SELECT * FROM audit_floor") else {
            return AuditFloor(sequence: 0, hash: "", signature: "", bytes: 0)
        }
        return AuditFloor(
            sequence: row["sequence"], hash: row["hash"], fault: row["fault"], signature: row["signature"],
            bytes: row["bytes"])
    }

    func write(_ database: Database) throws {
        try database.execute(
            sql: "UPDATE audit_floor SET sequence = ?, hash = ?, fault = ?, signature = ?, bytes = ?",
            arguments: [sequence, hash, fault, signature, bytes])
    }

    /// In place of the last record that was removed.
    var link: AuditLink {
        var link = AuditLink.beforeFirst
        link.sequence = sequence
        link.hash = hash
        return link
    }

    /// What is signed: nothing else that this key signs looks so, above all no checkpoint, which is in the database for everybody.
    func text(trustDomain: TrustDomain) -> Data {
        Data("tidemark audit floor 1\n\(trustDomain)\n\(sequence)\n\(hash)\n\(fault)\n".utf8)
    }
}

/// How much of the audit is kept.
package struct AuditRetention: Sendable, Equatable {
    /// nil: for ever, as long as there is room.
    package var age: Duration?
    /// Of the records on disk, by and large.
    package var bytes: Int64

    package init(age: Duration? = nil, bytes: Int64 = Int64(Limits.Audit.keptBytes)) {
        self.age = age
        self.bytes = bytes
    }

    /// Removes the oldest records where there are too many, or too old ones: some at a time.
    ///
    /// - Returns: whether there may be more to do.
    func apply(signedBy key: CheckpointKey, now: Date, in database: Database) throws -> Bool {
        let old = try AuditFloor.read(database)
        guard let cut = try cut(old, checkedBy: key, now: now, in: database) else { return false }
        let floor = try key.signed(cut.floor)
        try floor.write(database)
        try database.execute(sql: "DELETE FROM audit WHERE sequence <= ?", arguments: [floor.sequence])
        let entry = AuditChain.Entry(
            time: now, type: "audit.trimmed",
            details: [
                "count": .integer(floor.sequence - old.sequence), "through": .integer(floor.sequence),
                "head": .string(floor.hash), "fault": floor.fault.isEmpty ? nil : .string(floor.fault),
                "signature": .string(floor.signature), "reason": .string(cut.reason),
            ])
        try AuditChain.append([entry], to: database)
        return cut.isPartial
    }

    private struct Cut {
        var floor: AuditFloor
        var reason: String
        var isPartial: Bool
    }

    /// Who has the database may have put a floor there, or altered records, and waits for the server to sign for that: what is cut off is
    /// verified, and what did not fit stays told.
    private func cut(_ old: AuditFloor, checkedBy key: CheckpointKey, now: Date, in database: Database) throws -> Cut? {
        // Down to nine tenths, so that not every record removes another.
        let excess = old.bytes > bytes ? old.bytes - bytes / 10 * 9 : 0
        // Texts of times sort like times.
        let oldest = age.map { WireCoding.text(now.addingTimeInterval(-($0 / .seconds(1)))) } ?? ""
        let older = try AuditChain.lastLink(database).sequence - Int64(Limits.Audit.keptRecords)
        // What the newest checkpoint names is not there to be compared any more once it is removed, unless it is the floor itself.
        let last = min(older, try key.newest()?.count ?? older)
        var (floor, reason, count) = (old, String?.none, 0)
        if !key.vouches(for: old) { floor.fault = AuditVerifier.unsignedFloor }
        let rows = try Row.fetchCursor(
            database, sql: "SELECT * FROM audit WHERE sequence <= ? ORDER BY sequence LIMIT ?",
            arguments: [last, Limits.Audit.removedAtOnce])
        while let row = try rows.next() {
            let link = try AuditLink(row: row)
            let isExcess = old.bytes - floor.bytes < excess
            guard isExcess || link.time < oldest else { break }
            reason = reason ?? (isExcess ? "the audit was larger than \(bytes) bytes" : "older than is kept")
            if floor.fault.isEmpty,
                let fault = try link.fault(after: floor.link) ?? key.fault(of: link, after: floor.link)
            {
                floor.fault = "record \(link.sequence), removed since: \(fault)"
            }
            floor.sequence = link.sequence
            floor.hash = link.hash
            floor.bytes -= Int64(link.bytes)
            count += 1
        }
        return reason.map { Cut(floor: floor, reason: $0, isPartial: count == Limits.Audit.removedAtOnce) }
    }
}
