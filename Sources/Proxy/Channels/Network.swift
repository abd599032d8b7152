import Glibc
import NIOCore

/// A network namespace as the proxy sees it: a number (the kernel's netns cookie) and a way to make sockets that belong
/// to it.
///
/// Connections of a namespace that is unbound without a cut may still dial; ``socket(family:)`` must answer, if only
/// with an error, until ``LoopbackProxy/connectionCount(in:)`` is zero.
package protocol Network: Sendable {
    /// Never given to another namespace while the machine is up. The agent's own may be called 0.
    var cookie: UInt64 { get }

    var origin: NetworkOrigin { get }

    /// A TCP socket, non-blocking, closed on exec, that belongs to this namespace. The caller owns it.
    ///
    /// - Parameter family: `AF_INET` or `AF_INET6`.
    /// - Throws: ``ProxyError/socket(operation:address:errno:)``. `EAFNOSUPPORT` for `AF_INET6` says that the
    ///   namespace has no IPv6, which is no failure of ``LoopbackProxy/bind(outboundPort:in:)``.
    func socket(family: CInt) throws -> CInt

    /// The devices on whose link an IPv6 link-local address may be, by index.
    func links() throws -> [CUnsignedInt]
}

/// Whose a network namespace is: what an address means in it, and who may have made it up.
package enum NetworkOrigin: Hashable, Sendable {
    /// The agent's own: who calls from an address there has it.
    case host
    /// Another of root's, given by its cookie. What is inside may be given any address.
    case other(UInt64)
    /// One of those that a user has made, who makes as many as he likes.
    case ofUser(UInt32)
}

/// The namespace the agent itself runs in.
package struct HostNetwork: Network {
    package let cookie: UInt64

    package init(cookie: UInt64 = 0) { self.cookie = cookie }

    package var origin: NetworkOrigin { .host }

    package func socket(family: CInt) throws(ProxyError) -> CInt {
        let flags = CInt(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = Glibc.socket(family, flags, CInt(IPPROTO_TCP))
        guard descriptor >= 0 else { throw .socket(operation: "socket", address: "in network \(cookie)", errno: errno) }
        return descriptor
    }

    package func links() throws(ProxyError) -> [CUnsignedInt] { try Self.links(of: System.enumerateDevices) }

    /// - Throws: where they cannot be told, which is not the same as that there are none.
    static func links(of enumerate: () throws -> [NIONetworkDevice]) throws(ProxyError) -> [CUnsignedInt] {
        let devices: [NIONetworkDevice]
        do { devices = try enumerate() } catch {
            throw .socket(
                operation: "getifaddrs", address: "for link-local addresses",
                errno: (error as? IOError)?.errnoCode ?? 0)
        }
        let indices = devices.filter { $0.address?.isLinkLocalIPv6 == true }.map { CUnsignedInt($0.interfaceIndex) }
        return Set(indices).sorted()
    }
}
