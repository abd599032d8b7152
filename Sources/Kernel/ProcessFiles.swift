import CLibBPF
import Foundation
import Glibc
package import Workloads

/// The files a process runs, opened as that process sees them: below its own root, in its own mount namespace.
///
/// A process can become another program at any time. Who asks has to see afterwards that it still is the same
/// ``ProcessImage``, and to forget what was found where it is not.
package struct ProcessFiles: Sendable {
    private let pid: Int32

    package init(of pid: Int32) { self.pid = pid }

    /// The running executable itself, also where its path has gone or holds another file by now.
    ///
    /// - Parameter executable: as recorded at exec.
    /// - Throws: ``KernelError/otherExecutable(path:)`` where /proc shows another one: a process can change that.
    package func executable(_ executable: ProcessFacts.Executable) throws(KernelError) -> OpenFile {
        let file = try OpenFile(path: "/proc/\(pid)/exe")
        let version = try file.version()
        let found = ExecutableID(device: version.device, inode: version.inode)
        let recorded = ExecutableID(device: executable.device, inode: executable.inode)
        guard found == recorded || file.superblockID(asSeenBy: pid) == recorded else {
            throw .otherExecutable(path: executable.path)
        }
        return file
    }

    /// A file by the name the process has for it.
    ///
    /// - Parameter path: relative to its working directory, or absolute.
    /// - Returns: with its absolute name there, without symbolic links.
    package func file(at path: String) throws(KernelError) -> (file: OpenFile, path: String) {
        let absolute = path.hasPrefix("/") ? path : try workingDirectory() + "/" + path
        let file = try OpenFile(naming: OwnedDescriptor(inRoot(absolute)), path: absolute)
        return (file, withoutRoot(file.path))
    }

    /// As the process itself would call it.
    ///
    /// - Throws: ``KernelError/workingDirectoryUnknown`` where it has no name there: removed, or covered by a mount.
    package func workingDirectory() throws(KernelError) -> String {
        let link = "/proc/\(pid)/cwd"
        guard let target = OpenFile.target(of: link) else { throw .fileRefused(path: link, errno: errno) }
        let path = withoutRoot(target)
        let named = OwnedDescriptor(inRoot(path))
        let isSame = withExtendedLifetime(named) {
            var (there, here) = (stat(), stat())
            return named.number >= 0 && fstat(named.number, &there) == 0 && stat(link, &here) == 0
                && there.st_dev == here.st_dev && there.st_ino == here.st_ino
        }
        guard isSame else { throw .workingDirectoryUnknown(path: path) }
        return path == "/" ? "" : path
    }

    /// - Returns: open with O_PATH; negative with errno set. Links that only the kernel can follow, such as
    ///   /proc/self/fd/3, are refused: they would be the agent's own.
    private func inRoot(_ path: String) -> CInt {
        let root = OwnedDescriptor(open_name("/proc/\(pid)/root", O_DIRECTORY))
        guard root.number >= 0 else { return -1 }
        return withExtendedLifetime(root) { open_name_in_root(root.number, path) }
    }

    /// The kernel names files from the agent's root; a process under chroot(2) sees less.
    private func withoutRoot(_ path: String) -> String {
        guard let root = OpenFile.target(of: "/proc/\(pid)/root"), root != "/", path.hasPrefix(root) else {
            return path
        }
        let rest = path.dropFirst(root.count)
        return rest.isEmpty ? "/" : rest.hasPrefix("/") ? String(rest) : path
    }
}

/// Numbers an executable is told apart by: those of the file system that holds it, and of the file there.
private struct ExecutableID: Equatable {
    let device: UInt64
    let inode: UInt64
}

extension OpenFile {
    /// What stat(2) says of a file in an overlay or in a Btrfs subvolume are not the numbers the kernel part records,
    /// which are those of the mounted file system.
    fileprivate func superblockID(asSeenBy pid: Int32) -> ExecutableID? {
        guard let mount = field("mnt_id"), let inode = field("ino"),
            let mounts = try? String(contentsOfFile: "/proc/\(pid)/mountinfo", encoding: .utf8)
        else { return nil }
        // proc(5): mount ID, parent ID, major:minor, …
        let line = mounts.split(separator: "\n").lazy.map { $0.split(separator: " ", maxSplits: 3) }
            .first { $0.first.flatMap { UInt64($0) } == mount }
        let numbers = line?.dropFirst(2).first?.split(separator: ":").compactMap { UInt64($0) } ?? []
        guard numbers.count == 2 else { return nil }
        return ExecutableID(device: numbers[0] << 20 | numbers[1], inode: inode)
    }

    /// Of /proc/self/fdinfo: `name:<tab>number`. `ino` since Linux 5.14.
    private func field(_ name: String) -> UInt64? {
        let lines = (try? String(contentsOfFile: "/proc/self/fdinfo/\(number)", encoding: .utf8))?.split(
            separator: "\n")
        let line = lines?.first { $0.hasPrefix(name + ":") }
        return line.flatMap { UInt64($0.dropFirst(name.count + 1).drop { $0 == "\t" || $0 == " " }) }
    }
}
