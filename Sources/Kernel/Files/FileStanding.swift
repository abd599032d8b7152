import CLibBPF
import Glibc

/// Who can change a file, or what is in a folder.
package struct FileStanding: Sendable, Equatable {
    /// As the process calls it.
    package let path: String
    package let owner: UInt32
    /// The lower twelve bits of st_mode.
    package let mode: UInt32
    /// It lies on what users bring along: mounted nosuid.
    package let isForeignMedia: Bool

    package init(path: String, owner: UInt32, mode: UInt32, isForeignMedia: Bool = false) {
        self.path = path
        self.owner = owner
        self.mode = mode
        self.isForeignMedia = isForeignMedia
    }

    /// nil where the kernel does not say; errno tells why.
    init?(of descriptor: CInt, path: String) {
        var status = stat()
        var system = statfs()
        guard fstat(descriptor, &status) == 0, fstatfs(descriptor, &system) == 0 else { return nil }
        self.init(
            path: path, owner: status.st_uid, mode: status.st_mode & 0o7777,
            isForeignMedia: system.f_flags & FileSystemMagic.nosuid != 0)
    }
}

extension OpenFile {
    /// - Parameter path: what the process calls it.
    package func standing(as path: String) -> FileStanding? { FileStanding(of: number, path: path) }
}
