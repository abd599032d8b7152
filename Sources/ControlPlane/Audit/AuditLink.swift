import ControlPlaneAPI
import Crypto
import Foundation
import GRDB

/// A record in the very text it is hashed and stored in.
struct AuditLink: Sendable {
    var sequence: Int64
    var time: String
    var source: String
    var type: String
    var details: String
    /// 64 lower-case hexadecimal digits; empty before the first record.
    var hash: String

    static let beforeFirst = AuditLink(sequence: 0, time: "", source: "", type: "", details: "", hash: "")

    init(sequence: Int64, time: String, source: String, type: String, details: String, hash: String) {
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

    func next(_ entry: AuditChain.Entry) throws -> AuditLink {
        var link = AuditLink(
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
    func fault(after last: AuditLink) throws -> String? {
        guard sequence == last.sequence + 1 else {
            return "the record is missing; the next one there is has number \(sequence)"
        }
        guard try hash == digest(after: last.hash) else {
            return "its hash does not fit its text and the record before"
        }
        return nil
    }

    /// What it takes on the disk, by and large: counted when it is added and when it is removed.
    var bytes: Int { details.utf8.count + source.utf8.count + type.utf8.count + 200 }

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

extension Data {
    /// Pairs that are no hexadecimal digits are left out: the hash then does not fit.
    fileprivate init(hexadecimal text: String) {
        let digits = Array(text.utf8)
        let pairs = stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0...($0 + 1)] }
        self.init(pairs.compactMap { UInt8(String(decoding: $0, as: UTF8.self), radix: 16) })
    }
}
