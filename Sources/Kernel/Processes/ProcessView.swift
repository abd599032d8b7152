import CLibBPF
import Glibc
import Workloads

/// What a process calls its files: names from its root, and from its working directory. Both are held, so that names can be
/// looked up by a thread that may not look into /proc.
package final class ProcessView: Sendable {
    private let root: OwnedDescriptor
    /// As the agent sees it.
    private let rootPath: String?
    private let folder: OwnedDescriptor
    /// What the process calls that; nil where it has no name there.
    private let folderPath: String?
    /// The same as the agent sees it, for reading.
    private let folderTarget: String
    /// Whether names lead where they did at exec: those from the root, and those from the working directory.
    private let rootIsKept: Bool
    private let folderIsKept: Bool

    /// What stands at a path.
    package enum Kind: Sendable, Equatable {
        case file, folder, other
    }

    /// - Parameter surroundings: nil: wherever it is now.
    init(thread: String, since surroundings: Execution.Surroundings? = nil) throws(FileError) {
        root = OwnedDescriptor(open_name(thread + "/root", O_DIRECTORY))
        guard root.number >= 0 else { throw .refused(path: thread + "/root", errno: errno) }
        rootPath = OpenFile.target(of: thread + "/root")
        folder = OwnedDescriptor(open_name(thread + "/cwd", O_DIRECTORY))
        guard folder.number >= 0 else { throw .refused(path: thread + "/cwd", errno: errno) }
        folderTarget = OpenFile.target(of: thread + "/cwd") ?? ""
        let path = Self.without(rootPath, folderTarget)
        folderPath = Self.isName(path, of: folder.number, below: root.number) ? path : nil
        rootIsKept = surroundings == nil || surroundings?.root == Execution.Folder(of: root.number)
        let isThere = surroundings == nil || surroundings?.working == Execution.Folder(of: folder.number)
        folderIsKept = isThere && surroundings?.isShared != true
    }

    /// The same folder found through another mount can hold other files: some may be mounted over.
    private static func isName(_ path: String, of folder: CInt, below root: CInt) -> Bool {
        let named = OwnedDescriptor(open_name_in_root(root, path.kernelName))
        var (there, here) = (stat(), stat())
        return named.number >= 0 && fstat(named.number, &there) == 0 && fstat(folder, &here) == 0
            && there.st_dev == here.st_dev && there.st_ino == here.st_ino
            && mount(of: named.number) == mount(of: folder) && mount(of: folder) != nil
    }

    /// Its number, which is the host's, whatever the namespace.
    private static func mount(of descriptor: CInt) -> UInt64? {
        ProcessText(path: "/proc/self/fdinfo/\(descriptor)")?.rest(ofLineBeginningWith: "mnt_id:")?.fields.first?
            .number()
    }

    /// Regular files alone, of file systems that hold files.
    package func file(at path: String) throws(FileError) -> FoundFile {
        let file = try OpenFile(naming: try name(path), path: path)
        return FoundFile(file: file, path: Self.without(rootPath, file.path))
    }

    /// - Returns: nil where there is nothing.
    package func kind(at path: String) throws(FileError) -> Kind? {
        let found = try name(path)
        guard found.number >= 0 else {
            let code = errno
            guard code == ENOENT || code == ENOTDIR else { throw .refused(path: path, errno: code) }
            return nil
        }
        var status = stat()
        guard fstat(found.number, &status) == 0 else { throw .refused(path: path, errno: errno) }
        return switch status.st_mode & S_IFMT {
        case S_IFREG: .file
        case S_IFDIR: .folder
        default: .other
        }
    }

    /// nil where there is nothing, or what is there is no regular file.
    func version(at path: String) throws(FileError) -> OpenFile.Version? {
        guard try kind(at: path) == .file else { return nil }
        return try file(at: path).file.version()
    }

    /// See ``ProcessFiles/workingDirectory()``.
    func workingDirectory() throws(FileError) -> String {
        guard let folderPath else { throw .workingDirectoryUnknown(path: folderTarget) }
        return folderPath == "/" ? "" : folderPath
    }

    func standings(to path: String) throws(FileError) -> [FileStanding] {
        guard rootIsKept else { throw .moved(path: path) }
        var standings: [FileStanding] = []
        var bytes: [UInt8] = []
        for name in [[]] + path.namedBytes.split(separator: UInt8(ascii: "/")) {
            bytes += name.isEmpty ? [] : [UInt8(ascii: "/")] + name
            let path = bytes.isEmpty ? "/" : String(naming: bytes)
            let found = OwnedDescriptor(open_name_in_root(root.number, path.kernelName))
            guard found.number >= 0, let standing = FileStanding(of: found.number, path: path) else {
                throw .refused(path: path, errno: errno)
            }
            standings.append(standing)
        }
        return standings
    }

    /// Open with O_PATH; negative with errno set. Links that only the kernel can follow, such as /proc/self/fd/3, are
    /// refused: they would be the agent's own.
    private func name(_ path: String) throws(FileError) -> OwnedDescriptor {
        guard rootIsKept else { throw .moved(path: path) }
        if path.utf8.first == UInt8(ascii: "/") {
            return OwnedDescriptor(open_name_in_root(root.number, path.kernelName))
        }
        guard folderIsKept else { throw .moved(path: path) }
        let absolute = try workingDirectory() + "/" + path
        // Who holds a folder needs no right to find it.
        let found = open_name_beneath(folder.number, path.kernelName)
        guard found < 0, errno == EXDEV else { return OwnedDescriptor(found) }
        return OwnedDescriptor(open_name_in_root(root.number, absolute.kernelName))
    }

    /// The kernel names files from the agent's root; a process under chroot(2) sees less.
    private static func without(_ rootPath: String?, _ path: String) -> String {
        guard let rootPath, rootPath != "/", path.utf8.starts(with: rootPath.utf8) else { return path }
        let rest = path.utf8.dropFirst(rootPath.utf8.count)
        return rest.isEmpty ? "/" : rest.first == UInt8(ascii: "/") ? String(Substring(rest)) : path
    }
}
