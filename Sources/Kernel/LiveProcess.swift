import Foundation

/// What is true of a process now: credentials, cgroup and start, from /proc.
struct LiveProcess {
    let effectiveUserID: UInt32
    let realUserID: UInt32
    let effectiveGroupID: UInt32
    let realGroupID: UInt32
    let additionalGroupIDs: [UInt32]
    /// Below the mount of cgroup v2.
    let cgroup: String
    let startTicks: UInt64

    /// USER_HZ is 100 on every architecture this runs on.
    static let nanosecondsPerTick: UInt64 = 10_000_000

    init?(pid: Int32) {
        guard let status = try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8),
            let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
            let users = Self.numbers("Uid:", in: status), users.count == 4,
            let groups = Self.numbers("Gid:", in: status), groups.count == 4,
            // The name, in parentheses, may hold anything; 19 fields after it comes the start. proc(5).
            let nameEnd = stat.lastIndex(of: ")"),
            case let fields = stat[nameEnd...].split(separator: " "), fields.count > 20,
            let ticks = UInt64(fields[20])
        else { return nil }
        realUserID = users[0]
        effectiveUserID = users[1]
        realGroupID = groups[0]
        effectiveGroupID = groups[1]
        additionalGroupIDs = Self.numbers("Groups:", in: status) ?? []
        cgroup = Cgroup.name(of: "\(pid)") ?? "/"
        startTicks = ticks
    }

    /// Of ids: real, effective, saved, file system.
    private static func numbers(_ label: String, in status: String) -> [UInt32]? {
        let line = status.split(separator: "\n").first { $0.hasPrefix(label) }
        return line?.split(whereSeparator: \.isWhitespace).dropFirst().compactMap { UInt32($0) }
    }
}
