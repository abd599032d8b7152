import CLibBPF
import Glibc
import Workloads

/// What stat(2) says of a file, symbolic links followed.
package struct FileStatus: Sendable {
    package let isRegular: Bool
    package let isFolder: Bool
    /// Kernel layout: major in bits 20..., minor below.
    package let device: UInt64
    package let inode: UInt64
    package let bytes: Int64
    /// The lower twelve bits of st_mode.
    package let mode: Int
    package let owner: UInt32
    package let group: UInt32

    /// nil where there is none.
    package init?(path: String) {
        var status = stat()
        guard stat(path.kernelName, &status) == 0 else { return nil }
        self.init(status)
    }

    init(_ status: stat) {
        isRegular = status.st_mode & S_IFMT == S_IFREG
        isFolder = status.st_mode & S_IFMT == S_IFDIR
        device = kernel_device(status.st_dev)
        inode = UInt64(status.st_ino)
        bytes = Int64(status.st_size)
        mode = Int(status.st_mode) & 0o7777
        owner = status.st_uid
        group = status.st_gid
    }

    /// Of a path, without symbolic links; nil where there is no such file.
    package static func resolved(_ path: String) -> String? {
        guard let resolved = realpath(path.kernelName, nil) else { return nil }
        defer { free(resolved) }
        return String(naming: (0..<strlen(resolved)).map { UInt8(bitPattern: resolved[$0]) })
    }
}
