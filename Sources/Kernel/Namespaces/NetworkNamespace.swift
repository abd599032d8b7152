import CLibBPF
import Glibc
import KernelABI

/// A network namespace, held open: it lives at least as long as this does.
package final class NetworkNamespace: Sendable {
    /// The number BPF programs know it by: SO_NETNS_COOKIE. Never used twice while the machine is up.
    package let cookie: UInt64
    /// Of its file in nsfs: what links in /proc/PID/ns show.
    package let inode: UInt64
    let descriptor: OwnedDescriptor

    /// The calling thread's.
    package static func current() throws(KernelError) -> NetworkNamespace { try NetworkNamespace(path: currentPath) }

    /// - Throws: ``KernelError/namespaceGone(path:errno:)`` where the process has ended.
    package static func of(pid: Int32) throws(KernelError) -> NetworkNamespace {
        try LivingThread.ask(of: pid) { (thread) throws(KernelError) in try NetworkNamespace(path: thread + "/ns/net") }
    }

    /// - Parameter path: where it is mounted.
    /// - Throws: ``KernelError/namespaceGone(path:errno:)`` where it is mounted no longer.
    package static func mounted(at path: String) throws(KernelError) -> NetworkNamespace {
        let mounted = OwnedDescriptor(open(path.kernelName, O_RDONLY | O_CLOEXEC))
        guard mounted.number >= 0 else { throw .namespaceGone(path: path, errno: errno) }
        // What is opened through a mount keeps anybody from taking that mount away.
        return try inside(mounted.number) { () throws(KernelError) in try current() }
    }

    /// Which one a process is in now, by inode; nil where it has ended. Cheap: no namespace is opened.
    package static func inode(ofPID pid: Int32) -> UInt64? {
        var status = stat()
        return stat(LivingThread.folder(of: pid) + "/ns/net", &status) == 0 ? UInt64(status.st_ino) : nil
    }

    package func contains(pid: Int32) -> Bool { Self.inode(ofPID: pid) == inode }

    static let currentPath = "/proc/thread-self/ns/net"

    private init(path: String) throws(KernelError) {
        let number = open(path, O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { throw .namespaceGone(path: path, errno: errno) }
        let descriptor = OwnedDescriptor(number)
        var status = stat()
        guard fstat(number, &status) == 0 else { throw .namespaceGone(path: path, errno: errno) }
        self.descriptor = descriptor
        inode = UInt64(status.st_ino)
        cookie = path == Self.currentPath ? Self.cookieOfThread : try Self.inside(number) { Self.cookieOfThread }
    }

    /// Runs `body` on a thread of its own that is in this namespace, and waits for it.
    package func run<Result: Sendable>(_ body: @Sendable () throws(KernelError) -> Result) throws(KernelError) -> Result
    {
        try Self.inside(descriptor.number, body)
    }

    /// False: somebody without rights may have made it, and given it any address.
    package func belongsToInitialUserNamespace() throws(KernelError) -> Bool {
        try UserNamespace.isInitial(userNamespace())
    }

    /// Who made the user namespace that this one lies in, the outermost one where it lies in several: by a uid of the host, whatever
    /// ids are used inside.
    ///
    /// - Returns: nil where it lies in none but the initial one and those that root made.
    package func makerOfItsUserNamespace() throws(KernelError) -> UInt32? {
        try UserNamespace.maker(outermostFrom: userNamespace()).userID
    }

    private func userNamespace() throws(KernelError) -> OwnedDescriptor {
        let number = ioctl(descriptor.number, Self.getUserNamespace, CInt(0))
        guard number >= 0 else { throw .namespaceRefused(errno: errno) }
        return OwnedDescriptor(number)
    }

    /// NS_GET_USERNS, ioctl_ns(2).
    private static let getUserNamespace: UInt = 0xb701

    /// A TCP socket that belongs to it, non-blocking and closed on exec. The caller owns it.
    ///
    /// - Parameter family: AF_INET or AF_INET6.
    package func socket(family: CInt) throws(KernelError) -> CInt {
        try run { () throws(KernelError) in
            let flags = CInt(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
            let descriptor = Glibc.socket(family, flags, CInt(IPPROTO_TCP))
            guard descriptor >= 0 else { throw .socketRefused(errno: errno) }
            return descriptor
        }
    }

    /// setns(2) moves one thread, so it is done on one that ends afterwards.
    private static func inside<Result: Sendable>(
        _ descriptor: CInt, _ body: @Sendable () throws(KernelError) -> Result,
    ) throws(KernelError) -> Result {
        // The thread has ended before anybody reads what it wrote.
        nonisolated(unsafe) var outcome = Swift.Result<Result, KernelError>.failure(.namespaceRefused(errno: EAGAIN))
        withoutActuallyEscaping(body) { body in
            SystemThread.run {
                guard set_network_namespace(descriptor) == 0 else {
                    outcome = .failure(.namespaceRefused(errno: errno))
                    return
                }
                do throws(KernelError) { outcome = .success(try body()) } catch { outcome = .failure(error) }
            }
        }
        return try outcome.get()
    }

    private static var cookieOfThread: UInt64 {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer { close(socket) }
        var cookie: UInt64 = 0
        var size = socklen_t(MemoryLayout<UInt64>.size)
        getsockopt(socket, SOL_SOCKET, netnsCookieOption, &cookie, &size)
        return cookie
    }

    /// SO_NETNS_COOKIE, asm-generic/socket.h.
    private static let netnsCookieOption: CInt = 71
}
