import CLibBPF
import Foundation
import Workloads

/// A folder of cgroup v2.
package struct Cgroup: Sendable, Equatable {
    /// In the file system, without symbolic links.
    package let path: String
    /// Below the mount, as /proc/PID/cgroup spells it: begins with `/`.
    let name: String

    /// - Throws: ``KernelError/notCgroupV2(path:)`` for a folder of anything else.
    package init(path: String) throws(KernelError) {
        let real = URL(filePath: path).resolvingSymlinksInPath().path()
        let trimmed = real.count > 1 && real.hasSuffix("/") ? String(real.dropLast()) : real
        guard FileSystemKind(of: trimmed) == .cgroup2,
            let mount = Self.mounts.first(where: { isFolder(trimmed, in: $0) })
        else { throw .notCgroupV2(path: path) }
        self.path = trimmed
        name = trimmed == mount ? "/" : String(trimmed.dropFirst(mount.count))
    }

    /// The root of cgroup v2, wherever it is mounted.
    package static func root() throws(KernelError) -> Cgroup {
        guard let mount = mounts.first else { throw .noCgroupMount }
        return try Cgroup(path: mount)
    }

    /// Also true for processes of the folders below.
    package func contains(pid: Int32) -> Bool {
        guard let own = Self.name(ofProcess: pid) else { return false }
        return isFolder(own, in: name)
    }

    /// What the agent checks of itself: a socket belongs to the cgroup its process was in when it made it, and the
    /// kernel part sees only those in scope.
    func requireOwnProcess() throws(KernelError) {
        let own = Self.name(of: "self") ?? "unknown"
        guard isFolder(own, in: name) else { throw .outsideCgroup(own: own, configured: name) }
    }

    /// The kernel's number for it: the inode, on 64-bit machines.
    var id: UInt64 {
        var status = stat()
        return stat(path, &status) == 0 ? UInt64(status.st_ino) : 0
    }

    static func name(ofProcess pid: Int32) -> String? {
        name(of: String(LivingThread.folder(of: pid).dropFirst("/proc/".count)))
    }

    /// - Parameter process: as /proc names it, or one of its threads.
    static func name(of process: String) -> String? {
        ProcessText(path: "/proc/\(process)/cgroup")?.rest(ofLineBeginningWith: "0::").map { String(naming: $0) }
    }

    private static var mounts: [String] { ProcessText(path: "/proc/self/mounts").map(mounts(in:)) ?? [] }

    /// - Parameter table: lines of proc_mounts(5): `cgroup2 /sys/fs/cgroup cgroup2 rw 0 0`. Others may be named as anybody likes.
    static func mounts(in table: ProcessText) -> [String] {
        table.lines.compactMap { line in
            let fields = line.fields
            return fields.count > 2 && fields[2].elementsEqual("cgroup2".utf8)
                ? String(naming: fields[1].unescaped) : nil
        }
    }
}

/// Whether `path` is `folder` or below it.
private func isFolder(_ path: String, in folder: String) -> Bool {
    path == folder || folder == "/" || path.utf8.starts(with: (folder + "/").utf8)
}

/// File systems by their magic numbers, linux/magic.h.
enum FileSystemKind: Equatable {
    case cgroup2, bpf, other

    init?(of path: String) {
        var status = statfs()
        guard statfs(path, &status) == 0 else { return nil }
        switch UInt32(truncatingIfNeeded: status.f_type) {
        case 0x6367_7270: self = .cgroup2
        case 0xcafe_4a11: self = .bpf
        default: self = .other
        }
    }
}
