import Workloads

/// What is true of a process now: credentials, cgroup and start, from /proc.
struct LiveProcess {
    let ids: ProcessIDs
    let additionalGroupIDs: [UInt32]
    /// Below the mount of cgroup v2.
    let cgroup: String
    let startTicks: UInt64

    /// USER_HZ is 100 on every architecture this runs on.
    static let nanosecondsPerTick: UInt64 = 10_000_000

    init?(pid: Int32) {
        // Ids and cgroup of a thread that lives: those of one that has ended are not the process's any more.
        let thread = LivingThread.folder(of: pid)
        guard let status = ProcessText(path: thread + "/status"),
            let ids = ProcessIDs(status),
            let ticks = Self.startTicks(pid: pid)
        else { return nil }
        self.ids = ids
        additionalGroupIDs = status.numbers("Groups:") ?? []
        cgroup = Cgroup.name(ofProcess: pid) ?? "/"
        startTicks = ticks
    }

    /// nil where there is no such process, nor what is left of it until its parent asks.
    static func startTicks(pid: Int32) -> UInt64? {
        // The name, in parentheses, may hold anything; 19 fields after it comes the start. proc(5).
        guard let stat = ProcessText(path: "/proc/\(pid)/stat"),
            let fields = stat.rest(afterLast: UInt8(ascii: ")"))?.fields, fields.count > 19
        else { return nil }
        return fields[19].number()
    }
}

extension ProcessIDs {
    /// Of the first thread of whatever has this pid now; of another one where that has ended.
    init?(ofProcess pid: Int32) {
        guard let first = ProcessText(path: "/proc/\(pid)/status") else { return nil }
        if first.isOfThreadThatEnded {
            guard let other = ProcessText(path: LivingThread.folder(of: pid) + "/status") else { return nil }
            self.init(other)
        } else {
            self.init(first)
        }
    }

    fileprivate init?(_ status: ProcessText) {
        guard let users = status.numbers("Uid:"), users.count == 4, let groups = status.numbers("Gid:"),
            groups.count == 4
        else { return nil }
        // Real, effective, saved, file system.
        self.init(
            effectiveUserID: users[1], realUserID: users[0], effectiveGroupID: groups[1], realGroupID: groups[0])
    }
}

extension ProcessText {
    fileprivate func numbers(_ label: String) -> [UInt32]? {
        rest(ofLineBeginningWith: label)?.fields.compactMap { $0.number() }
    }

    fileprivate var isOfThreadThatEnded: Bool {
        rest(ofLineBeginningWith: "State:")?.fields.first?.first.map { "ZXx".utf8.contains($0) } ?? true
    }
}
