import Glibc
import Limits
import NIOCore

/// A listening TCP socket on the loopback of one network; closed when the last reference goes.
///
/// Made by hand, not by NIO, as the kernel part wants the descriptors of the listener and of each accepted socket.
final class ListeningSocket: Sendable {
    let descriptor: CInt
    let address: SocketAddress

    private static let backlog = CInt(Limits.Connection.backlog)

    init(on address: SocketAddress, in network: any Network) throws {
        self.address = address
        descriptor = try network.socket(family: address.protocol.rawValue)
        try enable(SO_REUSEADDR, level: SOL_SOCKET)
        // A namespace's first process can be there before its loopback device is up and has an address.
        if address.protocol == .inet6 {
            try enable(IPV6_V6ONLY, level: CInt(IPPROTO_IPV6))
            try enable(IPV6_FREEBIND, level: CInt(IPPROTO_IPV6))
        } else {
            try enable(IP_FREEBIND, level: CInt(IPPROTO_IP))
        }
        let descriptor = descriptor
        guard address.withSockAddr({ bind(descriptor, $0, socklen_t($1)) }) == 0 else {
            throw ProxyError.socket(operation: "bind", address: address.text, errno: errno)
        }
        guard listen(descriptor, Self.backlog) == 0 else {
            throw ProxyError.socket(operation: "listen", address: address.text, errno: errno)
        }
    }

    deinit { close(descriptor) }

    /// Refuses connections from here on and resets those that wait, whoever still refers to this socket.
    func shutDown() { shutdown(descriptor, CInt(SHUT_RDWR)) }

    /// The local port of a socket.
    static func port(of descriptor: CInt) throws(ProxyError) -> UInt16 {
        guard let name = SocketName.local(of: descriptor) else {
            throw .socket(operation: "getsockname of", address: "descriptor \(descriptor)", errno: errno)
        }
        return name.port
    }

    enum Acceptance {
        /// The caller owns the descriptor: non-blocking, closed on exec.
        case accepted(CInt)
        case nothingWaiting
        /// No descriptor or memory is left; worth another try in a while.
        case exhausted(errno: CInt)
    }

    func accept() -> Acceptance {
        while true {
            let accepted = Glibc.accept(descriptor, nil, nil)
            if accepted >= 0 {
                // Glibc's header hides accept4 from Swift.
                _ = fcntl(accepted, F_SETFD, FD_CLOEXEC)
                _ = fcntl(accepted, F_SETFL, O_NONBLOCK)
                return .accepted(accepted)
            }
            switch errno {
            case EAGAIN, EINVAL: return .nothingWaiting  // EINVAL: shut down.
            case EMFILE, ENFILE, ENOBUFS, ENOMEM: return .exhausted(errno: errno)
            default: continue  // This one connection is gone already: ECONNABORTED, or its pending network error.
            }
        }
    }

    private func enable(_ option: CInt, level: CInt) throws(ProxyError) {
        var one: CInt = 1
        guard setsockopt(descriptor, level, option, &one, socklen_t(MemoryLayout<CInt>.size)) == 0 else {
            throw .socket(operation: "setsockopt", address: address.text, errno: errno)
        }
    }
}
