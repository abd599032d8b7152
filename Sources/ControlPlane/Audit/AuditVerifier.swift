import ControlPlaneAPI
import Foundation
import GRDB

/// Walks the whole audit and names the first record that does not fit: to the one before, to a checkpoint signed in it or kept beside
/// the key, or to a head that somebody kept elsewhere.
struct AuditVerifier {
    static let unsignedFloor =
        "what stands for the records that were removed is not signed by the checkpoint key as that"

    let key: CheckpointKey
    private var last: AuditLink
    private let floor: AuditFloor
    /// Hashes that records must have, by number, and who says so.
    private var expected: [Int64: (hash: String, by: String)] = [:]
    /// A hash that some record must have.
    private var wanted: String?

    /// - Parameter head: kept elsewhere.
    static func verify(_ database: Database, key: CheckpointKey, head: ExpectedHead?) throws -> AuditVerification {
        var verifier = try AuditVerifier(database, key: key, head: head)
        do {
            if let reason = try verifier.findFault(in: database) { return verifier.broken(reason) }
        } catch let error as DatabaseError {
            return verifier.broken("it cannot be read: \(error.message ?? "\(error)")")
        } catch let fault as AuditFault {
            return verifier.broken("\(fault)")
        }
        return AuditVerification(records: verifier.count, intact: true)
    }

    private init(_ database: Database, key: CheckpointKey, head: ExpectedHead?) throws {
        self.key = key
        floor = try AuditFloor.read(database)
        last = floor.link
        guard let head else { return }
        if let count = head.count {
            expected[count] = (head.hash, "the head that was expected")
        } else {
            wanted = head.hash
        }
    }

    private var count: Int64 { last.sequence - floor.sequence }

    private func broken(_ reason: String) -> AuditVerification {
        AuditVerification(records: count, intact: false, brokenAt: last.sequence + 1, reason: reason)
    }

    private mutating func findFault(in database: Database) throws -> String? {
        guard key.vouches(for: floor) else { return Self.unsignedFloor }
        if !floor.fault.isEmpty { return floor.fault }
        if let newest = try key.newest() {
            if let other = expected[newest.count], other.hash != newest.head { return other.by + " is another" }
            expected[newest.count] = (newest.head, "the checkpoint kept beside the key")
        }
        if let reason = mismatch(last) { return reason }
        let rows = try Row.fetchCursor(database, sql: "SELECT * FROM audit ORDER BY sequence")
        while let row = try rows.next() {
            let link = try AuditLink(row: row)
            if let reason = try link.fault(after: last) ?? mismatch(link) ?? key.fault(of: link, after: last) {
                return reason
            }
            last = link
        }
        return try findMissing(in: database)
    }

    private mutating func mismatch(_ link: AuditLink) -> String? {
        if wanted == link.hash { wanted = nil }
        guard let expected = expected.removeValue(forKey: link.sequence), expected.hash != link.hash else { return nil }
        return "\(expected.by) says another record: this one, or one before, was written anew"
    }

    private func findMissing(in database: Database) throws -> String? {
        let appended = try Int64.fetchOne(database, sql: "SELECT seq FROM sqlite_sequence WHERE name = 'audit'") ?? 0
        guard appended == last.sequence else { return "\(appended) records were appended, the last ones are missing" }
        if let (count, what) = expected.max(by: { $0.key < $1.key }) {
            return count > last.sequence
                ? "\(what.by) says \(count) records; the last ones are missing"
                : "\(what.by) says \(count) records, which retention has removed since; keep a newer head"
        }
        return wanted.map { "no record has the hash \($0) that was expected: it was removed, or written anew" }
    }
}

extension CheckpointKey {
    /// What a record says of the audit itself, where that does not hold, or is a fault.
    func fault(of link: AuditLink, after last: AuditLink) -> String? {
        switch link.type {
        case "audit.checkpoint":
            guard let checkpoint = try? AuditCheckpoint(link.record()), checkpoint.count == last.sequence,
                checkpoint.head == last.hash, vouches(for: checkpoint)
            else { return "a checkpoint that is not signed by the checkpoint key, or stands elsewhere" }
            return nil
        case "audit.trimmed":
            guard let floor = try? AuditFloor(link.record()), vouches(for: floor) else {
                return "it says that records were removed, and is not signed by the checkpoint key"
            }
            return nil
        case "audit.rolled_back": return "the server found here that records before had been removed, or written anew"
        default: return nil
        }
    }
}

extension AuditCheckpoint {
    /// As an `audit.checkpoint` record tells it.
    fileprivate init?(_ record: AuditRecord) {
        guard case .integer(let count)? = record.details["through"], case .string(let head)? = record.details["head"],
            case .string(let signature)? = record.details["signature"]
        else { return nil }
        self.init(count: count, head: head, signature: signature)
    }
}

extension AuditFloor {
    /// As an `audit.trimmed` record tells it.
    fileprivate init?(_ record: AuditRecord) {
        guard let told = AuditCheckpoint(record) else { return nil }
        self.init(sequence: told.count, hash: told.head, signature: told.signature, bytes: 0)
        if case .string(let fault)? = record.details["fault"] { self.fault = fault }
    }
}

/// A head as somebody kept it: `HEAD` or `HEAD:COUNT`.
package struct ExpectedHead: Sendable, Equatable {
    package let hash: String
    package let count: Int64?

    package init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard let hash = parts.first, hash.utf8.count == 64, hash.allSatisfy({ $0.isHexDigit && !$0.isUppercase })
        else { return nil }
        self.hash = String(hash)
        switch parts.count {
        case 1: count = nil
        case 2:
            guard let number = Int64(parts[1]), number > 0 else { return nil }
            count = number
        default: return nil
        }
    }
}
