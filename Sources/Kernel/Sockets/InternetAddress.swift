import Glibc

/// An IPv4 or IPv6 address. An IPv4-mapped IPv6 address is the IPv4 address: one destination has one spelling.
package struct InternetAddress: Hashable, Sendable, CustomStringConvertible {
    /// 16 bytes in network order; IPv4 as `::ffff:a.b.c.d`.
    package let bytes: [UInt8]

    /// - Parameter text: `192.0.2.1` or `2001:db8::1`, without port, brackets and zone.
    package init?(_ text: String) {
        var v4 = in_addr()
        var v6 = in6_addr()
        if inet_pton(AF_INET, text, &v4) == 1 {
            self.init(v4)
        } else if inet_pton(AF_INET6, text, &v6) == 1 {
            self.init(v6)
        } else {
            return nil
        }
    }

    /// - Parameter bytes: 16, in network order.
    init(networkOrder bytes: UnsafeRawBufferPointer) {
        self.bytes = Array(bytes.prefix(16))
    }

    init(_ address: in_addr) { self = withUnsafeBytes(of: address) { InternetAddress(v4: Array($0)) } }

    init(_ address: in6_addr) { self = withUnsafeBytes(of: address) { InternetAddress(networkOrder: $0) } }

    /// - Parameter v4: 4 bytes, in network order.
    init(v4: [UInt8]) {
        bytes = Self.v4Prefix + v4
    }

    package static let wildcardIPv4 = InternetAddress(v4: [0, 0, 0, 0])
    package static let wildcardIPv6 = withUnsafeBytes(of: in6_addr()) { InternetAddress(networkOrder: $0) }

    package var isIPv4: Bool { bytes.starts(with: Self.v4Prefix) }
    /// `0.0.0.0` or `::`: every address of the host.
    package var isWildcard: Bool { self == .wildcardIPv4 || self == .wildcardIPv6 }

    package var isLoopback: Bool {
        isIPv4 ? bytes[12] == 127 : bytes.dropLast().allSatisfy { $0 == 0 } && bytes.last == 1
    }

    /// `169.254.0.0/16` (RFC 3927) or `fe80::/10` (RFC 4291, section 2.5.6).
    package var isLinkLocal: Bool {
        isIPv4 ? bytes[12] == 169 && bytes[13] == 254 : bytes[0] == 0xfe && bytes[1] & 0xc0 == 0x80
    }

    /// `224.0.0.0/4` or `ff00::/8`, and IPv4's broadcast.
    package var isMulticast: Bool {
        isIPv4 ? bytes[12] >= 224 && bytes[12] < 240 || bytes[12...] == [255, 255, 255, 255] : bytes[0] == 0xff
    }

    /// Whether it can be one interface's, and means the same to other hosts. `0.0.0.0/8` is this host alone, RFC 1122.
    package var isRoutable: Bool {
        !isWildcard && !isLoopback && !isLinkLocal && !isMulticast && !(isIPv4 && bytes[12] == 0)
    }

    /// Whether others may be told that somebody is there. Of link-local addresses IPv6's alone: 64 random bits keep two links' apart,
    /// 16 of IPv4's do not, and clouds answer at 169.254.169.254.
    package var isTold: Bool { isRoutable || isLinkLocal && !isIPv4 }

    package var description: String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        if isIPv4 {
            inet_ntop(AF_INET, Array(bytes.suffix(4)), &text, socklen_t(text.count))
        } else {
            inet_ntop(AF_INET6, bytes, &text, socklen_t(text.count))
        }
        return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    private static let v4Prefix: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]
}
