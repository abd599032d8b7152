import ArgumentParser
import ControlPlaneAPI
import Foundation
import Glibc

/// Who would execute the command of `explain --exec`: this program's own caller where nothing else is said.
struct CallerOption: ParsableArguments {
    @Option(help: "With --exec: the uid, real and effective. Default: the caller's.")
    var uid: UInt32?

    @Option(
        help: "With --exec: the gid, real and effective; additional groups stay the caller's. Default: the caller's.")
    var gid: UInt32?

    @Option(help: "With --exec: the working directory. Default: the caller's.")
    var cwd: String?

    @Option(help: "With --exec: the cgroup, as below the mount of cgroup v2. Default: the caller's.")
    var cgroup: String?

    var isGiven: Bool { uid != nil || gid != nil || cwd != nil || cgroup != nil }

    func check() throws {
        if let cwd, !cwd.hasPrefix("/") { throw ValidationError("--cwd takes a path that begins with /.") }
        if let cgroup, !cgroup.hasPrefix("/") {
            throw ValidationError(
                "--cgroup takes a path below the cgroup mount, as in /proc/PID/cgroup; it begins with /.")
        }
        if uid == .max || gid == .max { throw ValidationError("4294967295 is no id: the kernel takes it for none.") }
    }

    func question(_ command: [String]) throws -> ExecQuestion {
        ExecQuestion(
            command: command, searchPath: ProcessInfo.processInfo.environment["PATH"],
            workingDirectory: cwd ?? FileManager.default.currentDirectoryPath, userID: uid ?? geteuid(),
            groupID: gid ?? getegid(), additionalGroupIDs: Self.groups, cgroup: cgroup ?? Self.ownCgroup,
            parent: getppid(),
            mountNamespace: try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/mnt"),
        )
    }

    private static var groups: [UInt32] {
        var groups = [gid_t](repeating: 0, count: Int(max(getgroups(0, nil), 0)))
        let count = getgroups(CInt(groups.count), &groups)
        return Array(groups.prefix(Int(max(count, 0))))
    }

    private static var ownCgroup: String {
        let text = (try? String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8)) ?? ""
        return text.split(separator: "\n").first { $0.hasPrefix("0::") }.map { String($0.dropFirst(3)) } ?? "/"
    }
}
