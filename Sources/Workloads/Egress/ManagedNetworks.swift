import Limits

/// Addresses among which every place is managed, or excepted: what is unknown there is not spoken to in plain.
package struct ManagedNetworks: Hashable, Sendable, Codable {
    package var ranges: [AddressRange]
    /// Of ranges in `ranges`; the longest range an address lies in decides.
    package var exceptions: [AddressRange]

    package init(ranges: [AddressRange] = [], exceptions: [AddressRange] = []) {
        self.ranges = ranges
        self.exceptions = exceptions
    }

    /// The range that makes this address a managed one.
    package func range(of address: [UInt8]) -> AddressRange? {
        let longest = ranges.filter { $0.contains(address) }.max { $0.prefixBits < $1.prefixBits }
        guard let longest else { return nil }
        let isExcepted = exceptions.contains { $0.prefixBits > longest.prefixBits && $0.contains(address) }
        return isExcepted ? nil : longest
    }

    /// The range that an exception would be one of.
    package func range(around exception: AddressRange) -> AddressRange? {
        ranges.first { $0.prefixBits < exception.prefixBits && $0.contains(exception) }
    }

    /// - Parameter text: a range, or with `!` before it an exception.
    package mutating func add(_ text: String) throws(ManagedNetworksError) {
        let range: AddressRange
        do { range = try AddressRange(text.hasPrefix("!") ? String(text.dropFirst()) : text) } catch {
            throw .range(error)
        }
        if let special = Self.special.first(where: { $0.overlaps(range) }) { throw .notRoutable(special) }
        guard !ranges.contains(range), !exceptions.contains(range) else { throw .twice }
        guard ranges.count + exceptions.count < Self.maximum else { throw .tooMany(maximum: Self.maximum) }
        if text.hasPrefix("!") { exceptions.append(range) } else { ranges.append(range) }
    }

    /// What a kernel map has room for twice, as two policies are in it for a moment.
    package static let maximum = Limits.Manifests.managedNetworks

    /// Places that every network namespace has for itself, and such as nobody listens at.
    private static let special = ["127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "::1", "ff00::/8"]
        .compactMap { try? AddressRange($0) }
}

/// Why something is no managed network; each says what was expected.
package enum ManagedNetworksError: Error, Equatable, Sendable, CustomStringConvertible {
    case range(AddressRangeError)
    case notRoutable(AddressRange)
    case twice
    case tooMany(maximum: Int)

    package var description: String {
        switch self {
        case .range(let error): "\(error)"
        case .notRoutable(let range): "addresses that are routed: not those of \(range), which lie in it or around it"
        case .twice: "each range once"
        case .tooMany(let maximum): "at most \(maximum) ranges and exceptions"
        }
    }
}
