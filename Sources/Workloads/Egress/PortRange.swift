/// Ports from the first to the last one: `5432` or `6000-6010`.
package struct PortRange: Hashable, Sendable, Comparable, CustomStringConvertible {
    package let first: UInt16
    package let last: UInt16

    package static let all = PortRange(first: 1, last: .max)

    private init(first: UInt16, last: UInt16) {
        self.first = first
        self.last = last
    }

    /// nil where it is none.
    package init?(_ text: String) {
        let ends = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false).map { end in
            UInt16(end).flatMap { "\($0)" == end && $0 > 0 ? $0 : nil }
        }
        guard let first = ends[0], let last = ends[ends.count - 1], first <= last else { return nil }
        self.init(first: first, last: last)
    }

    package func contains(_ port: UInt16) -> Bool { first <= port && port <= last }

    package static func < (left: PortRange, right: PortRange) -> Bool {
        (left.first, left.last) < (right.first, right.last)
    }

    package var description: String { first == last ? "\(first)" : "\(first)-\(last)" }

    /// The same ports in as few ranges as there can be, in order.
    package static func merged(_ ranges: some Sequence<PortRange>) -> [PortRange] {
        ranges.sorted().reduce(into: []) { merged, next in
            if let before = merged.last, next.first == 0 || next.first - 1 <= before.last {
                merged[merged.count - 1] = PortRange(first: before.first, last: max(before.last, next.last))
            } else {
                merged.append(next)
            }
        }
    }
}

extension PortRange: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let range = PortRange(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "no range of ports")
        }
        self = range
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
