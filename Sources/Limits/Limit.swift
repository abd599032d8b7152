/// One bound as docs/limits.md lists it; ``Limits/all`` has them all.
package struct Limit: Hashable, Sendable {
    /// In its unit; ``description`` is what the table has.
    package enum Value: Hashable, Sendable {
        case count(Int)
        case bytes(Int)
        case time(Duration)
        /// One in so many.
        case share(Int)
    }

    /// Its place in ``Limits``: `Connection.handshake`.
    package let name: String
    package let value: Value

    package init(_ name: String, _ value: Value) {
        self.name = name
        self.value = value
    }
}

extension Limit.Value: CustomStringConvertible {
    /// In the largest unit that is whole: `16 KiB`, `5 s`, `one in 10`.
    package var description: String {
        switch self {
        case .count(let count): "\(count)"
        case .bytes(let bytes):
            if bytes > 0, bytes % (1 << 20) == 0 {
                "\(bytes >> 20) MiB"
            } else if bytes > 0, bytes % (1 << 10) == 0 {
                "\(bytes >> 10) KiB"
            } else {
                "\(bytes) B"
            }
        case .time(let time): Self.text(time)
        case .share(let parts): "one in \(parts)"
        }
    }

    private static func text(_ time: Duration) -> String {
        let milliseconds = Int(time / .milliseconds(1))
        let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s")]
        let (size, unit) = units.first { milliseconds > 0 && milliseconds % $0.0 == 0 } ?? (1, "ms")
        return "\(milliseconds / size) \(unit)"
    }
}
