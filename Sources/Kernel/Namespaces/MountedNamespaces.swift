import Glibc
import Limits
import Synchronization
import Workloads

/// The network namespaces of this host that have a name: mounted below certain folders, as `ip netns`, the container
/// runtimes and Docker do it, before the first process runs in them.
package final class MountedNamespaces: Sendable {
    private let folders: [String]
    private let isCancelled = Atomic<Bool>(false)

    /// How long the watching thread may outlive ``cancel()``.
    private static let patience = CInt(Limits.Namespaces.watchPause / .milliseconds(1))

    /// - Parameter folders: absolute, without a slash at the end.
    package init(below folders: [String]) { self.folders = folders }

    /// Where each is mounted, by its inode: at once and whenever a mount comes or goes, until ``cancel()``. Changes nobody
    /// has looked at yet are one.
    package func changes() throws(FileError) -> AsyncStream<[UInt64: String]> {
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

    private func read(_ table: OwnedDescriptor) throws(FileError) -> [UInt64: String] {
        Self.namespaces(in: try ProcessText.read(table, path: Self.mountTable), below: folders)
    }

    /// - Parameter table: lines of proc_pid_mountinfo(5): `… net:[4026532281] /run/netns/blue … - nsfs nsfs rw`.
    static func namespaces(in table: [UInt8], below folders: [String]) -> [UInt64: String] {
        var found: [UInt64: String] = [:]
        for line in ProcessText(bytes: table).lines {
            let fields = line.split(separator: UInt8(ascii: " "))
            guard fields.count > 4, let inode = inode(fields[3]) else { continue }
            let place = fields[4].unescaped
            guard folders.contains(where: { place.starts(with: $0.namedBytes + [UInt8(ascii: "/")]) }) else { continue }
            found[inode] = String(naming: place)
        }
        return found
    }

    /// Of `net:[4026532281]`; nil for anything else.
    private static func inode(_ root: ArraySlice<UInt8>) -> UInt64? {
        guard root.starts(with: "net:[".utf8), root.last == UInt8(ascii: "]") else { return nil }
        return root.dropFirst(5).dropLast().number()
    }
}
