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

    /// nil where the process is not that image any more.
    func execution(of image: ProcessImage) -> Execution? {
        guard let record = records[UInt32(bitPattern: image.process.pid)],
            ProcessKey(record.key) == image.process, record.image == image.number
        else { return nil }
        return Execution(record)
    }

    /// What processes run, all of them.
    func programs() -> Set<ProcessImage> {
        records.keys.reduce(into: []) { found, pid in
            if let record = records[pid] { found.insert(Execution(record).program) }
        }
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

    func connected() -> [ProcessKey: KernelConnections] {
        connections { $0.connected != 0 }
    }

    func untold(since moment: KernelMoment) -> [ProcessKey: KernelConnections] {
        connections { $0.untold != 0 && $0.untold >= moment.untoldTime }
    }

    func untoldPerhaps() -> [ProcessKey: KernelConnections] {
        connections { $0.connected != 0 || $0.asked != 0 || $0.identified != IdentityHandle.none.rawValue }
    }

    private func connections(where isWanted: (process_facts) -> Bool) -> [ProcessKey: KernelConnections] {
        records.keys.reduce(into: [:]) { found, pid in
            guard let record = records[pid], isWanted(record) else { return }
            found[ProcessKey(record.key)] = KernelConnections(rawValue: record.connected)
        }
    }

    func exists(_ process: ProcessKey) -> Bool {
        LiveProcess.startTicks(pid: process.pid) == process.startTime / LiveProcess.nanosecondsPerTick
            && LivingThread.exists(in: process.pid)
    }

    func ids(of process: ProcessKey) -> ProcessIDs? {
        // Recorded still afterwards: its pid was nobody else's when they were read.
        ProcessIDs(ofProcess: process.pid).flatMap { isRecorded(process) ? $0 : nil }
    }

    func payer(of process: ProcessKey) -> UInt32? {
        UserNamespace.payer(ofPID: process.pid).flatMap { isRecorded(process) ? $0 : nil }
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
            userID: live.ids.effectiveUserID,
            realUserID: live.ids.realUserID,
            groupID: live.ids.effectiveGroupID,
            realGroupID: live.ids.realGroupID,
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
            predatesAgent: record.has(PROCESS_FOUND_RUNNING), isOnHost: record.has(PROCESS_ON_HOST),
            hidesProcesses: record.has(PROCESS_HIDES_OTHERS),
        )
    }
}

extension process_facts {
    fileprivate func has(_ flag: Int32) -> Bool { flags & UInt32(flag) != 0 }
}

/// Up to the first NUL.
private func text(_ bytes: UnsafeRawBufferPointer) -> String {
    String(naming: bytes.prefix { $0 != 0 })
}

/// Each word ends with a NUL, but the last one of a cut list.
private func words(_ bytes: Slice<UnsafeRawBufferPointer>) -> [String] {
    var words = bytes.split(separator: 0, omittingEmptySubsequences: false).map { String(naming: $0) }
    if words.last == "" { words.removeLast() }
    return words
}
