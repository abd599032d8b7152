import Glibc
import NIOCore

/// One end of a socket's connection, as the kernel tells it.
///
/// With the extension below all of this module that looks at a `sockaddr` by its bytes, ip(7) and ipv6(7).
struct SocketName {
    /// A `sockaddr_in` or `sockaddr_in6`, and zeros.
    private var bytes = [UInt8](repeating: 0, count: MemoryLayout<sockaddr_storage>.size)

    /// This end; nil: the kernel tells none, for the reason in `errno`.
    static func local(of descriptor: CInt) -> SocketName? { SocketName { getsockname(descriptor, $0, &$1) } }

    /// The other end; nil: it is gone, or there never was one.
    static func peer(of descriptor: CInt) -> SocketName? { SocketName { getpeername(descriptor, $0, &$1) } }

    private init?(_ ask: (UnsafeMutablePointer<sockaddr>?, inout socklen_t) -> CInt) {
        var size = socklen_t(bytes.count)
        let status = bytes.withUnsafeMutableBytes { ask($0.baseAddress?.assumingMemoryBound(to: sockaddr.self), &size) }
        guard status == 0 else { return nil }
    }

    /// Behind the family's 2 bytes, in network byte order, in IPv4's and IPv6's names alike.
    var port: UInt16 { UInt16(bytes[2]) << 8 | UInt16(bytes[3]) }

    /// 4 bytes of IPv4, behind family and port; 16 of IPv6, behind its flow label.
    var address: [UInt8] {
        let family = bytes.withUnsafeBytes { $0.loadUnaligned(as: sa_family_t.self) }
        return Array(CInt(family) == AF_INET6 ? bytes[8..<24] : bytes[4..<8])
    }

    var socketAddress: SocketAddress? {
        try? SocketAddress(packedIPAddress: ByteBuffer(bytes: address), port: Int(port))
    }
}

extension SocketAddress {
    /// `fe80::/10`: which of them is meant takes a device to say. RFC 4291, section 2.5.6; RFC 4007.
    var isLinkLocalIPv6: Bool {
        guard case .v6(let address) = self else { return false }
        return withUnsafeBytes(of: address.address) {
            $0[Self.addressOffset] == 0xfe && $0[Self.addressOffset + 1] & 0xc0 == 0x80
        }
    }

    /// The same on one device's link; nil: it is no such address, or a device is named already.
    func onLink(_ device: CUnsignedInt) -> SocketAddress? {
        guard isLinkLocalIPv6, case .v6(let address) = self else { return nil }
        var scoped = address.address
        let isFree = withUnsafeMutableBytes(of: &scoped) { bytes in
            guard bytes.load(fromByteOffset: Self.scopeOffset, as: CUnsignedInt.self) == 0 else { return false }
            bytes.storeBytes(of: device, toByteOffset: Self.scopeOffset, as: CUnsignedInt.self)
            return true
        }
        return isFree ? SocketAddress(scoped) : nil
    }

    /// Of `sin6_addr` and `sin6_scope_id` in `sockaddr_in6`, ipv6(7). NIO hides the module that has them.
    private static let addressOffset = 8
    private static let scopeOffset = 24
}
