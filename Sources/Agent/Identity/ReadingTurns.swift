import Limits

/// Which file is read next. Pure bookkeeping.
///
/// Fair among users, byte by byte, and small files first within one user's: whoever has much to read waits for itself.
struct ReadingTurns {
    struct Ticket: Hashable, Sendable { fileprivate let number: UInt64 }

    private struct Reader {
        let user: UInt32
        /// Bytes still to read.
        var left: Int64
        var isWaiting = false
    }

    private let capacity: Int
    private var next: UInt64 = 0
    private var readers: [Ticket: Reader] = [:]
    /// Bytes granted to each user who reads or waits. Somebody new starts with the least of them.
    private var granted: [UInt32: Int64] = [:]
    private var holding: [UInt32: Int] = [:]

    init(capacity: Int = Limits.Files.waiting) { self.capacity = capacity }

    /// - Returns: nil where the user has more files waiting than there are places left.
    mutating func enter(_ user: UInt32, bytes: Int64) -> Ticket? {
        let own = holding[user] ?? 0
        guard own < capacity - readers.count else { return nil }
        let ticket = Ticket(number: next)
        next += 1
        if own == 0 { granted[user] = granted.values.min() ?? 0 }
        holding[user] = own + 1
        readers[ticket] = Reader(user: user, left: bytes)
        return ticket
    }

    mutating func wait(_ ticket: Ticket, left: Int64) {
        readers[ticket]?.left = left
        readers[ticket]?.isWaiting = true
    }

    /// Whose turn it is, for so many bytes.
    mutating func grant(_ bytes: Int64) -> Ticket? {
        let waiting = readers.lazy.filter(\.value.isWaiting)
        guard let (ticket, reader) = waiting.min(by: { rank($0) < rank($1) }) else { return nil }
        readers[ticket]?.isWaiting = false
        granted[reader.user, default: 0] += max(1, min(bytes, reader.left))
        return ticket
    }

    /// What a read cost beyond the bytes that were granted for it.
    mutating func charge(_ ticket: Ticket, _ bytes: Int64) {
        if let reader = readers[ticket] { granted[reader.user, default: 0] += bytes }
    }

    mutating func leave(_ ticket: Ticket) {
        guard let reader = readers.removeValue(forKey: ticket) else { return }
        let left = (holding[reader.user] ?? 1) - 1
        holding[reader.user] = left > 0 ? left : nil
        if left == 0 { granted[reader.user] = nil }
    }

    private func rank(_ reader: (key: Ticket, value: Reader)) -> (Int64, Int64, UInt64) {
        (granted[reader.value.user] ?? 0, reader.value.left, reader.key.number)
    }
}
