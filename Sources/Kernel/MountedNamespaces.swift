import Glibc
import Synchronization

/// The network namespaces of this host that have a name: mounted below certain folders, as `ip netns`, the container
/// runtimes and Docker do it, before the first process runs in them.
package final class MountedNamespaces: Sendable {
    private let folders: [String]
    private let isCancelled = Atomic<Bool>(false)

    /// How long the watching thread may outlive ``cancel()``.
    private static let patience: CInt = 500

    /// - Parameter folders: absolute, without a slash at the end.
    package init(below folders: [String]) { self.folders = folders }

    /// Where each is mounted, by its inode: at once and whenever a mount comes or goes, until ``cancel()``. Changes nobody
    /// has looked at yet are one.
    package func changes() throws(KernelError) -> AsyncStream<[UInt64: String]> {
        let table = OwnedDescriptor(open(Self.mountTable, O_RDONLY | O_CLOEXEC))
        let (stream, told) = AsyncStream.makeStream(of: [UInt64: String].self, bufferingPolicy: .bufferingNewest(1))
        told.yield(try read(table))
        let isStarted = SystemThread.start {
            while !self.isCancelled.load(ordering: .acquiring) {
                // proc_pid_mountinfo(5): a change shows as POLLPRI and POLLERR.
                var wanted = pollfd(fd: table.number, events: Int16(POLLPRI), revents: 0)
                guard poll(&wanted, 1, Self.patience) > 0, let namespaces = try? self.read(table) else { continue }
                told.yield(namespaces)
            }
            told.finish()
        }
        guard isStarted else { throw .threadRefused }
        return stream
    }

    package func cancel() { isCancelled.store(true, ordering: .releasing) }

    private static let mountTable = "/proc/self/mountinfo"

    private func read(_ table: OwnedDescriptor) throws(KernelError) -> [UInt64: String] {
        guard table.number >= 0, lseek(table.number, 0, SEEK_SET) == 0 else {
            throw .fileRefused(path: Self.mountTable, errno: errno)
        }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = Glibc.read(table.number, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .fileRefused(path: Self.mountTable, errno: errno) }
            if count == 0 { break }
            bytes += chunk.prefix(count)
        }
        return Self.namespaces(in: bytes, below: folders)
    }

    /// - Parameter table: lines of proc_pid_mountinfo(5): `… net:[4026532281] /run/netns/blue … - nsfs nsfs rw`.
    static func namespaces(in table: [UInt8], below folders: [String]) -> [UInt64: String] {
        var found: [UInt64: String] = [:]
        for line in table.split(separator: UInt8(ascii: "\n")) {
            let fields = line.split(separator: UInt8(ascii: " "))
            guard fields.count > 4, let inode = inode(fields[3]) else { continue }
            let place = path(fields[4])
            if folders.contains(where: { place.hasPrefix($0 + "/") }) { found[inode] = place }
        }
        return found
    }

    /// Of `net:[4026532281]`; nil for anything else.
    private static func inode(_ root: ArraySlice<UInt8>) -> UInt64? {
        guard root.starts(with: "net:[".utf8), root.last == UInt8(ascii: "]") else { return nil }
        return UInt64(String(decoding: root.dropFirst(5).dropLast(), as: UTF8.self))
    }

    /// White space and backslashes stand there as three octal digits behind a backslash.
    private static func path(_ field: ArraySlice<UInt8>) -> String {
        var bytes: [UInt8] = []
        var rest = field
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\"), rest.count >= 3,
                let escaped = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8)
            {
                bytes.append(escaped)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
