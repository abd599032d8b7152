import Foundation
import KernelABI
import Workloads

/// What the kernel recorded of processes, and what /proc adds that only now is true.
struct ProcessTable: Sendable {
    private let records: BPFMap<UInt32, process_facts>

    init(of object: borrowing BPFObject) throws(KernelError) {
        records = try object.map("processes")
    }

    /// nil for a process that is gone, or that found no room.
    func facts(of pid: Int32) -> (facts: ProcessFacts, image: ProcessImage)? {
        guard pid > 0, let record = records[UInt32(pid)], let live = LiveProcess(pid: pid),
            live.startTicks == record.key.start_boottime_ns / LiveProcess.nanosecondsPerTick
        else { return nil }
        let image = ProcessImage(process: ProcessKey(record.key), number: record.image)
        return (ProcessFacts(record, live: live), image)
    }

    func all() -> [ProcessFacts] {
        records.keys.compactMap { facts(of: Int32(bitPattern: $0))?.facts }
    }

    func identified() -> [ProcessKey: IdentityHandle] {
        records.keys.reduce(into: [:]) { found, pid in
            guard let record = records[pid] else { return }
            let handle = IdentityHandle(rawValue: record.identified)
            if handle != .none, handle != .unknown { found[ProcessKey(record.key)] = handle }
        }
    }

    func name(of process: ProcessKey) -> String? {
        guard let record = records[UInt32(bitPattern: process.pid)], ProcessKey(record.key) == process else {
            return nil
        }
        return withUnsafeBytes(of: record.name, text)
    }

    func isRunning(_ image: ProcessImage) -> Bool {
        records[UInt32(bitPattern: image.process.pid)].map {
            ProcessKey($0.key) == image.process && $0.image == image.number
        } ?? false
    }

    func isRecorded(_ process: ProcessKey) -> Bool {
        records[UInt32(bitPattern: process.pid)].map { ProcessKey($0.key) == process } ?? false
    }
}

extension ProcessFacts {
    fileprivate init(_ record: process_facts, live: LiveProcess) {
        let script = withUnsafeBytes(of: record.script, text)
        self.init(
            key: ProcessKey(record.key),
            userID: live.effectiveUserID,
            realUserID: live.realUserID,
            groupID: live.effectiveGroupID,
            realGroupID: live.realGroupID,
            additionalGroupIDs: Array(live.additionalGroupIDs.prefix(Self.maximumAdditionalGroups)),
            additionalGroupsTruncated: live.additionalGroupIDs.count > Self.maximumAdditionalGroups,
            name: withUnsafeBytes(of: record.name, text),
            arguments: withUnsafeBytes(of: record.argv) { words($0.prefix(Int(record.argv_len))) },
            argumentsTruncated: record.has(PROCESS_ARGV_TRUNCATED),
            executable: Executable(
                path: (record.has(PROCESS_PATH_TRUNCATED) ? "…" : "") + withUnsafeBytes(of: record.path, text),
                device: record.executable_device,
                inode: record.executable_inode,
                pathIsForeign: record.has(PROCESS_PATH_FOREIGN) || record.has(PROCESS_PATH_TRUNCATED),
            ),
            script: script.isEmpty ? nil : Script(path: script),
            cgroup: live.cgroup,
            parent: record.parent.tgid == 0 ? nil : ProcessKey(record.parent),
            predatesAgent: record.has(PROCESS_FOUND_RUNNING),
        )
    }
}

extension process_facts {
    fileprivate func has(_ flag: Int32) -> Bool { flags & UInt32(flag) != 0 }
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
