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
    private let surroundings: Execution.Surroundings?

    /// - Parameter surroundings: what names have to lead to still; nil: what they lead to now is meant.
    package init(of pid: Int32, since surroundings: Execution.Surroundings? = nil) {
        self.pid = pid
        self.surroundings = surroundings
    }

    /// Those of the agent itself.
    package static var own: ProcessFiles { ProcessFiles(of: getpid()) }

    /// The running executable itself, also where its path has gone or holds another file by now.
    ///
    /// - Parameter executable: as recorded at exec.
    /// - Throws: ``FileError/otherExecutable(path:)`` where /proc shows another one: a process can change that.
    package func executable(_ executable: ProcessFacts.Executable) throws(FileError) -> OpenFile {
        let file = try LivingThread.ask(of: pid) { (thread) throws(FileError) in try OpenFile(path: thread + "/exe") }
        let version = try file.version()
        let found = ExecutableID(device: version.device, inode: version.inode)
        let recorded = ExecutableID(device: executable.device, inode: executable.inode)
        guard found == recorded || file.superblockID(asSeenBy: pid) == recorded else {
            throw .otherExecutable(path: executable.path)
        }
        return file
    }

    /// Whether its path names another file by now, or none.
    package func isReplaced(_ executable: ProcessFacts.Executable) throws(FileError) -> Bool {
        let own = try self.executable(executable).version()
        return try LivingThread.ask(of: pid) { (thread) throws(FileError) in
            let there = try ProcessView(thread: thread).version(at: executable.path)
            return there?.device != own.device || there?.inode != own.inode
        }
    }

    /// A file by the name the process has for it, opened by the right that process has.
    ///
    /// - Parameter path: relative to its working directory, or absolute.
    /// - Returns: with its absolute name there, without symbolic links.
    package func file(at path: String) throws(FileError) -> FoundFile {
        try look { (view) throws(FileError) in try view.file(at: path) }
    }

    /// Looks at files as the process does, and with no more rights than it has: its owner chose the names.
    package func look<Value: Sendable>(
        _ body: @escaping @Sendable (ProcessView) throws(FileError) -> Value,
    ) throws(FileError) -> Value { try held().look(body) }

    /// For looking more than once, at what this process would see now.
    package func held() throws(FileError) -> HeldView {
        try LivingThread.ask(of: pid) { (thread) throws(FileError) in
            let view = try ProcessView(thread: thread, since: surroundings)
            guard let rights = FileRights(thread: thread) else {
                throw .refused(path: thread + "/status", errno: ESRCH)
            }
            return HeldView(view: view, rights: rights)
        }
    }

    /// Who could put another file at a path: status of each folder on it, the root first, and of the file. As the agent may
    /// see them, which is all.
    package func standings(to path: String) throws(FileError) -> [FileStanding] {
        try LivingThread.ask(of: pid) { (thread) throws(FileError) in
            try ProcessView(thread: thread, since: surroundings).standings(to: path)
        }
    }

    /// As the process itself would call it.
    ///
    /// - Throws: ``FileError/workingDirectoryUnknown`` where it has no name there: removed, covered by a
    ///   mount, or of another mount namespace.
    package func workingDirectory() throws(FileError) -> String {
        try ProcessView(thread: LivingThread.folder(of: pid)).workingDirectory()
    }
}

/// What a process sees, and may open, at one moment: whatever becomes of it since.
package struct HeldView: Sendable {
    fileprivate let view: ProcessView
    fileprivate let rights: FileRights

    /// See ``ProcessFiles/look(_:)``.
    package func look<Value: Sendable>(
        _ body: @escaping @Sendable (ProcessView) throws(FileError) -> Value,
    ) throws(FileError) -> Value {
        try rights.use { [view] () throws(FileError) in try body(view) }
    }
}

/// A file of a process, and what that calls it: absolute, without symbolic links.
package struct FoundFile: Sendable {
    package let file: OpenFile
    package let path: String
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
            let mounts = ProcessText(path: LivingThread.folder(of: pid) + "/mountinfo")
        else { return nil }
        // proc(5): mount ID, parent ID, major:minor, …
        let line = mounts.lines.lazy.map(\.fields).first { $0.first?.number() == mount }
        let numbers =
            line?.dropFirst(2).first?.split(separator: UInt8(ascii: ":")).compactMap { $0.number(as: UInt64.self) }
            ?? []
        guard numbers.count == 2 else { return nil }
        return ExecutableID(device: numbers[0] << 20 | numbers[1], inode: inode)
    }

    /// Of /proc/self/fdinfo: `name:<tab>number`. `ino` since Linux 5.14.
    private func field(_ name: String) -> UInt64? {
        ProcessText(path: "/proc/self/fdinfo/\(number)")?.rest(ofLineBeginningWith: name + ":")?.fields.first?.number()
    }
}
