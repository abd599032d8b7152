import ControlPlaneAPI
import Foundation
import GRDB
import Limits

/// Where the audit begins: what is below was removed by retention, and a signed checkpoint stands for it.
struct AuditFloor {
    var sequence: Int64
    var hash: String
    var signature: String
    /// Of all records that are there.
    var bytes: Int64

    static func read(_ database: Database) throws -> AuditFloor {
        guard let row = try Row.fetchOne(database, sql: "SELECT * FROM audit_floor") else {
            return AuditFloor(sequence: 0, hash: "", signature: "", bytes: 0)
        }
        return AuditFloor(
            sequence: row["sequence"], hash: row["hash"], signature: row["signature"], bytes: row["bytes"])
    }

    /// In place of the last record that was removed.
    var link: AuditLink {
        var link = AuditLink.beforeFirst
        link.sequence = sequence
        link.hash = hash
        return link
    }

    /// nil where nothing was removed.
    var checkpoint: AuditCheckpoint? {
        sequence == 0 ? nil : AuditCheckpoint(count: sequence, head: hash, signature: signature)
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
        let floor = try AuditFloor.read(database)
        guard let cut = try cut(floor, now: now, in: database) else { return false }
        let checkpoint = try key.sign(count: cut.sequence, head: cut.hash)
        try database.execute(
            sql: "UPDATE audit_floor SET sequence = ?, hash = ?, signature = ?, bytes = bytes - ?",
            arguments: [cut.sequence, cut.hash, checkpoint.signature, cut.bytes])
        try database.execute(sql: "DELETE FROM audit WHERE sequence <= ?", arguments: [cut.sequence])
        let entry = AuditChain.Entry(
            time: now, type: "audit.trimmed",
            details: [
                "count": .integer(cut.sequence - floor.sequence), "through": .integer(cut.sequence),
                "head": .string(cut.hash), "signature": .string(checkpoint.signature), "reason": .string(cut.reason),
            ])
        try AuditChain.append([entry], to: database)
        return cut.isPartial
    }

    private struct Cut {
        var sequence: Int64
        var hash: String
        var bytes: Int
        var reason: String
        var isPartial: Bool
    }

    private func cut(_ floor: AuditFloor, now: Date, in database: Database) throws -> Cut? {
        // Down to nine tenths, so that not every record removes another.
        let excess = floor.bytes > bytes ? floor.bytes - bytes / 10 * 9 : 0
        // Texts of times sort like times.
        let oldest = age.map { WireCoding.text(now.addingTimeInterval(-($0 / .seconds(1)))) } ?? ""
        let newest = try AuditChain.lastLink(database).sequence
        var cut: Cut?
        let rows = try Row.fetchCursor(
            database, sql: "SELECT * FROM audit WHERE sequence <= ? ORDER BY sequence LIMIT ?",
            arguments: [newest - Int64(Limits.Audit.keptRecords), Limits.Audit.removedAtOnce])
        var count = 0
        while let row = try rows.next() {
            let link = try AuditLink(row: row)
            let removed = cut?.bytes ?? 0
            guard Int64(removed) < excess || link.time < oldest else { return cut }
            let reason = Int64(removed) < excess ? "the audit was larger than \(bytes) bytes" : "older than is kept"
            count += 1
            cut = Cut(
                sequence: link.sequence, hash: link.hash, bytes: removed + link.bytes, reason: cut?.reason ?? reason,
                isPartial: count == Limits.Audit.removedAtOnce)
        }
        return cut
    }
}
