import Glibc

/// A range of IP addresses as operators write it: `10.1.0.0/16`, `2001:db8::/32`, or one address.
///
/// IPv4 is kept as `::ffff:a.b.c.d`, so that one address has one spelling; it lies in no IPv6 range, `::/0` included.
package struct AddressRange: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// 16, in network order; zero behind the prefix.
    package let bytes: [UInt8]
    /// 0 to 128; of IPv4 ranges 96 and more.
    package let prefixBits: Int

    private static let v4Prefix: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]

    package init(_ text: String) throws(AddressRangeError) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard let (bytes, isIPv4) = Self.address(parts[0]) else { throw .notAnAddress(parts[0]) }
        let width = isIPv4 ? 32 : 128
        var prefix = width
        if parts.count == 2 {
            guard let bits = Int(parts[1]), (0...width).contains(bits), "\(bits)" == parts[1] else {
                throw .prefix(parts[1], maximum: width)
            }
            prefix = bits
        }
        self.bytes = bytes
        prefixBits = 128 - width + prefix
        let masked = Self.masked(bytes, prefixBits)
        guard masked == bytes else { throw .bitsBehindPrefix(meant: Self(masked, prefixBits).description) }
    }

    private init(_ bytes: [UInt8], _ prefixBits: Int) {
        self.bytes = bytes
        self.prefixBits = prefixBits
    }

    /// `0.0.0.0/0`.
    package static let allIPv4 = AddressRange(v4Prefix + [0, 0, 0, 0], 96)

    package var isIPv4: Bool { prefixBits >= 96 && bytes.starts(with: Self.v4Prefix) }

    /// - Parameter address: 16 bytes in network order, IPv4 as `::ffff:a.b.c.d`.
    package func contains(_ address: [UInt8]) -> Bool {
        address.count == 16 && address.starts(with: Self.v4Prefix) == isIPv4
            && Self.masked(address, prefixBits) == bytes
    }

    package func contains(_ other: AddressRange) -> Bool {
        other.prefixBits >= prefixBits && contains(other.bytes)
    }

    package func overlaps(_ other: AddressRange) -> Bool { contains(other) || other.contains(self) }

    package static func < (left: AddressRange, right: AddressRange) -> Bool {
        (left.bytes, left.prefixBits) < (right.bytes, right.prefixBits)
    }

    package var description: String {
        let width = isIPv4 ? 32 : 128
        let bits = prefixBits - (128 - width)
        return Self.text(bytes, isIPv4) + (bits == width ? "" : "/\(bits)")
    }

    private static func masked(_ bytes: [UInt8], _ prefix: Int) -> [UInt8] {
        bytes.enumerated().map { place, byte in
            let bits = min(max(prefix - 8 * place, 0), 8)
            return byte & UInt8(truncatingIfNeeded: 0xff00 >> bits)
        }
    }

    private static func address(_ text: String) -> (bytes: [UInt8], isIPv4: Bool)? {
        var v4 = in_addr(), v6 = in6_addr()
        if inet_pton(AF_INET, text, &v4) == 1 { return (v4Prefix + withUnsafeBytes(of: v4) { Array($0) }, true) }
        guard inet_pton(AF_INET6, text, &v6) == 1 else { return nil }
        let bytes = withUnsafeBytes(of: v6) { Array($0) }
        // IPv4 is to be written as IPv4.
        return bytes.starts(with: v4Prefix) ? nil : (bytes, false)
    }

    private static func text(_ bytes: [UInt8], _ isIPv4: Bool) -> String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let (family, address) = isIPv4 ? (AF_INET, Array(bytes.suffix(4))) : (AF_INET6, bytes)
        inet_ntop(family, address, &text, socklen_t(text.count))
        return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

private func < (left: ([UInt8], Int), right: ([UInt8], Int)) -> Bool {
    left.0 == right.0 ? left.1 < right.1 : left.0.lexicographicallyPrecedes(right.0)
}

extension AddressRange: Codable {
    package init(from decoder: any Decoder) throws { try self.init(decoder.singleValueContainer().decode(String.self)) }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// Why a text is no range; each says what was expected.
package enum AddressRangeError: Error, Equatable, Sendable, CustomStringConvertible {
    case notAnAddress(String)
    case prefix(String, maximum: Int)
    case bitsBehindPrefix(meant: String)

    package var description: String {
        switch self {
        case .notAnAddress(let text):
            "an IPv4 or IPv6 address, or a range such as 10.1.0.0/16, found \"\(text)\""
        case .prefix(let text, let maximum): "a prefix of 0 to \(maximum) bits, found \"\(text)\""
        case .bitsBehindPrefix(let meant): "a range without bits behind its prefix; did you mean \(meant)?"
        }
    }
}
