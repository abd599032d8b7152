import Foundation
import KernelABI
import Workloads

/// What the kernel recorded of processes, and what /proc adds that only now is true.
struct ProcessTable: Sendable {
    private let records: BPFMap<UInt32, process_facts>

    init(of object: borrowing BPFObject) throws(KernelError) {
        records = try object.map("processes")
    }

    /// nil for a process that is gone, that predates the kernel part, or that found no room.
    func facts(of pid: Int32) -> ProcessFacts? {
        guard pid > 0, let record = records[UInt32(pid)], let live = LiveProcess(pid: pid),
            live.startTicks == record.key.start_boottime_ns / LiveProcess.nanosecondsPerTick
        else { return nil }
        return ProcessFacts(record, live: live)
    }

    func all() -> [ProcessFacts] {
        records.keys.compactMap { facts(of: Int32(bitPattern: $0)) }
    }
}

/// The credentials and the start of a process, from /proc.
private struct LiveProcess {
    let effectiveUserID: UInt32
    let realUserID: UInt32
    let effectiveGroupID: UInt32
    let startTicks: UInt64

    /// USER_HZ is 100 on every architecture this runs on.
    static let nanosecondsPerTick: UInt64 = 10_000_000

    init?(pid: Int32) {
        guard let status = try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8),
            let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
            let users = Self.numbers("Uid:", in: status), let groups = Self.numbers("Gid:", in: status),
            // The name, in parentheses, may hold anything; 19 fields after it comes the start. proc(5).
            let nameEnd = stat.lastIndex(of: ")"),
            case let fields = stat[nameEnd...].split(separator: " "), fields.count > 20,
            let ticks = UInt64(fields[20])
        else { return nil }
        realUserID = users[0]
        effectiveUserID = users[1]
        effectiveGroupID = groups[1]
        startTicks = ticks
    }

    /// Real, effective, saved, file system.
    private static func numbers(_ label: String, in status: String) -> [UInt32]? {
        let line = status.split(separator: "\n").first { $0.hasPrefix(label) }
        let numbers = line?.split(whereSeparator: \.isWhitespace).dropFirst().compactMap { UInt32($0) }
        return numbers?.count == 4 ? numbers : nil
    }
}

extension ProcessFacts {
    fileprivate init(_ record: process_facts, live: LiveProcess) {
        self.init(
            key: ProcessKey(record.key),
            userID: live.effectiveUserID,
            realUserID: live.realUserID,
            groupID: live.effectiveGroupID,
            name: withUnsafeBytes(of: record.name, text),
            arguments: withUnsafeBytes(of: record.argv) { words($0.prefix(Int(record.argv_len))) },
            argumentsTruncated: record.flags & UInt32(PROCESS_ARGV_TRUNCATED) != 0,
            executable: Executable(
                path: (record.flags & UInt32(PROCESS_PATH_TRUNCATED) != 0 ? "…" : "")
                    + withUnsafeBytes(of: record.path, text),
                device: record.executable_device,
                inode: record.executable_inode,
            ),
            // The record has no start time of the parent: 0 is the key of no process.
            parent: record.parent_tgid == 0
                ? nil : ProcessKey(pid: Int32(bitPattern: record.parent_tgid), startTime: 0),
        )
    }
}

/// Up to the first NUL.
private func text(_ bytes: UnsafeRawBufferPointer) -> String {
    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
}

/// Each word ends with a NUL, but the last one of a cut list.
private func words(_ bytes: Slice<UnsafeRawBufferPointer>) -> [String] {
    var words = bytes.split(separator: 0, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
    if words.last == "" { words.removeLast() }
    return words
}
