import CLibBPF
import Glibc
import Workloads

/// A regular file, open for reading: what is read out of it is of this very file, whatever becomes of its name.
package final class OpenFile: Sendable {
    private let descriptor: OwnedDescriptor

    /// What tells one content of a file from another: writing to it changes at least one of these.
    package struct Version: Hashable, Sendable {
        /// Kernel layout: major in bits 20..., minor below.
        package let device: UInt64
        package let inode: UInt64
        /// Of the last change to content or attributes, since 1970. The kernel's clock ticks every few milliseconds.
        package let changed: Duration
        package let bytes: Int64
    }

    /// - Throws: ``FileError/refused(path:errno:)``, ``FileError/notRegular(path:)``.
    /// - Parameter followingLinks: whether the last part of the path may be a symbolic link; otherwise that is no regular file.
    package convenience init(path: String, followingLinks: Bool = true) throws(FileError) {
        let name = open_name(path.kernelName, followingLinks ? 0 : O_NOFOLLOW)
        try self.init(naming: OwnedDescriptor(name), path: path)
    }

    /// - Parameter found: open with O_PATH. Only what turns out to be a regular file on a file system for files is opened
    ///   for good: opening anything else can block, or do something.
    init(naming found: OwnedDescriptor, path: String) throws(FileError) {
        guard found.number >= 0 else { throw .refused(path: path, errno: errno) }
        var status = stat()
        guard fstat(found.number, &status) == 0 else { throw .refused(path: path, errno: errno) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .notRegular(path: path) }
        var system = statfs()
        guard fstatfs(found.number, &system) == 0 else { throw .refused(path: path, errno: errno) }
        guard !FileSystemMagic(system).isOfKernel else { throw .ofKernel(path: path) }
        let opened = open("/proc/self/fd/\(found.number)", O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
        guard opened >= 0 else { throw .refused(path: path, errno: errno) }
        descriptor = OwnedDescriptor(opened)
    }

    package func status() throws(FileError) -> FileStatus {
        var status = stat()
        guard fstat(descriptor.number, &status) == 0 else { throw .refused(path: path, errno: errno) }
        return FileStatus(status)
    }

    package func version() throws(FileError) -> Version {
        var status = stat()
        guard fstat(descriptor.number, &status) == 0 else { throw .refused(path: path, errno: errno) }
        return Version(
            device: kernel_device(status.st_dev),
            inode: UInt64(status.st_ino),
            changed: .seconds(status.st_ctim.tv_sec) + .nanoseconds(status.st_ctim.tv_nsec),
            bytes: Int64(status.st_size),
        )
    }

    /// What stands at one place of a file.
    package enum Piece: Sendable {
        case data([UInt8])
        /// So many bytes that read as zeros, and of which nothing is stored.
        case hole(Int64)
        case end
    }

    /// Blocks. Holes are not read.
    ///
    /// - Parameter end: how long the file is believed to be; of one that has grown meanwhile more is told.
    package func piece(upTo count: Int, at offset: Int64, before end: Int64) throws(FileError) -> Piece {
        let data = lseek(descriptor.number, off_t(offset), TIDEMARK_SEEK_DATA)
        // ENXIO: nothing but a hole follows. Anything else: this file system tells nothing of its holes.
        if data < 0, errno == ENXIO, offset < end { return .hole(end - offset) }
        if data > offset { return .hole(Int64(data) - offset) }
        let bytes = try read(upTo: count, at: offset)
        return bytes.isEmpty ? .end : .data(bytes)
    }

    /// - Returns: at most so many bytes; none at the file's end.
    package func read(upTo count: Int, at offset: Int64) throws(FileError) -> [UInt8] {
        var code: CInt = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            var received = pread(descriptor.number, buffer.baseAddress, count, off_t(offset))
            while received < 0, errno == EINTR {
                received = pread(descriptor.number, buffer.baseAddress, count, off_t(offset))
            }
            if received < 0 { code = errno }
            filled = max(0, received)
        }
        guard code == 0 else { throw .refused(path: path, errno: code) }
        return bytes
    }

    var number: CInt { descriptor.number }

    /// Its name now, as the agent sees it; ends with ` (deleted)` where it has none any more.
    package var path: String { Self.target(of: "/proc/self/fd/\(descriptor.number)") ?? "" }

    static func target(of link: String) -> String? {
        let bytes = [UInt8](unsafeUninitializedCapacity: Int(PATH_MAX)) { buffer, filled in
            filled = buffer.withMemoryRebound(to: CChar.self) { text in
                text.baseAddress.map { max(0, readlink(link, $0, text.count)) } ?? 0
            }
        }
        return bytes.isEmpty ? nil : String(naming: bytes)
    }
}
