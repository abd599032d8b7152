import ControlPlaneAPI
import Foundation
import Limits

/// The audit queue on disk, in the agent's state directory. What is in it is what goes into the audit: no secret.
///
/// `audit.count` has the queue's name, how far it is acknowledged and how many numbers it has given, brought up to date with each
/// event: what a crash loses is counted, if not kept. `audit.spool` has events that could not be sent, one JSON object a line.
struct AuditSpool: ~Copyable {
    private let events: URL
    private let count: FileHandle
    /// What the first file has.
    private var noted = ""
    /// Bytes of the second one, and of what was in it before.
    private var written: UInt64 = 0
    /// All below are in the file, or need not be.
    private var spooled: UInt64 = 0

    /// - Parameter directory: exists.
    init(directory: String) throws {
        let folder = URL(filePath: directory, directoryHint: .isDirectory)
        events = folder.appending(path: "audit.spool")
        let path = folder.appending(path: "audit.count").path
        if !FileManager.default.fileExists(atPath: path) {
            _ = FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o600])
        }
        guard let handle = FileHandle(forUpdatingAtPath: path) else {
            throw AgentError.fileUnreadable(path: path, reason: "it cannot be opened for writing")
        }
        count = handle
    }

    deinit { try? count.close() }

    /// What the agent before this one left. A line that was cut short is one that was not kept.
    mutating func load(origin: @escaping AuditPayer.Origins) throws -> AuditQueue {
        let lines = ((try? Data(contentsOf: events)) ?? Data()).split(separator: UInt8(ascii: "\n"))
        written = UInt64(lines.reduce(0) { $0 + $1.count })
        let decoder = WireCoding.decoder()
        let kept = Dictionary(
            lines.compactMap { try? decoder.decode(AuditReport.Event.self, from: Data($0)) }.map { ($0.number, $0) },
            uniquingKeysWith: { _, later in later },
        ).values.sorted { $0.number < $1.number }
        spooled = kept.last.map { $0.number + 1 } ?? 0
        let words = String(decoding: try count.readToEnd() ?? Data(), as: UTF8.self).split(
            whereSeparator: \.isWhitespace)
        let numbers = words.dropFirst().compactMap { UInt64($0) }
        guard words.count == 3, numbers.count == 2, numbers[0] <= numbers[1] else {
            // No record of the numbers: those of the events do.
            let start = kept.first?.number ?? 0
            return AuditQueue(id: UUID().uuidString, acknowledged: start, next: start, waiting: kept, origin: origin)
        }
        return AuditQueue(
            id: String(words[0]), acknowledged: numbers[0], next: numbers[1], waiting: kept, origin: origin)
    }

    /// Overwrites one short line; the kernel keeps it when this process ends in any way.
    mutating func note(_ queue: AuditQueue) throws {
        let line = "\(queue.id) \(padded(queue.acknowledged)) \(padded(queue.next))\n"
        guard line != noted else { return }
        try count.seek(toOffset: 0)
        try count.write(contentsOf: Data(line.utf8))
        noted = line
    }

    /// Adds what is not there yet.
    mutating func keep(_ queue: AuditQueue) throws {
        if written > 2 * UInt64(Limits.Audit.queueBytes) { try forget() }
        let fresh = queue.events(from: spooled)
        guard let last = fresh.last else { return }
        if !FileManager.default.fileExists(atPath: events.path) {
            _ = FileManager.default.createFile(
                atPath: events.path, contents: nil, attributes: [.posixPermissions: 0o600])
        }
        guard let file = FileHandle(forUpdatingAtPath: events.path) else {
            throw AgentError.fileUnreadable(path: events.path, reason: "it cannot be opened for writing")
        }
        defer { try? file.close() }
        try file.seekToEnd()
        let encoder = WireCoding.encoder()
        for part in stride(from: fresh.startIndex, to: fresh.endIndex, by: Limits.Audit.batchEvents) {
            // Ends a line that a crash cut short.
            var text = Data("\n".utf8)
            for event in fresh[part..<min(part + Limits.Audit.batchEvents, fresh.endIndex)] {
                text += try encoder.encode(event) + [UInt8(ascii: "\n")]
            }
            try file.write(contentsOf: text)
            written += UInt64(text.count)
        }
        spooled = last.number + 1
    }

    /// Everything was sent, or is to be written anew.
    mutating func forget() throws {
        guard written > 0 else { return }
        spooled = 0
        written = 0
        guard FileManager.default.fileExists(atPath: events.path) else { return }
        try FileManager.default.removeItem(at: events)
    }

    private func padded(_ number: UInt64) -> String {
        let digits = String(number)
        return String(repeating: "0", count: 20 - digits.count) + digits
    }
}
