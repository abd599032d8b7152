/// Sources from which somebody has proven who it is, while it is connected and for a while after. Bounded.
struct KnownSources<Source: Hashable & Sendable>: Sendable {
    typealias Instant = ContinuousClock.Instant

    private struct Entry {
        /// Connections of it that are proven.
        var live = 0
        /// Of one without any.
        var until: Instant
        var isQueued = false
    }

    private let limit: Int
    private let duration: Duration
    private var entries: [Source: Entry] = [:]
    /// Those without connections, about in the order of their ends; some have connections again. From `head` on.
    private var queue: [Source] = []
    private var head = 0

    init(limit: Int, duration: Duration) {
        self.limit = limit
        self.duration = duration
    }

    var count: Int { entries.count }

    func contains(_ source: Source, at now: Instant) -> Bool {
        entries[source].map { $0.live > 0 || $0.until > now } ?? false
    }

    mutating func opened(_ source: Source, at now: Instant) {
        entries[source, default: Entry(until: now)].live += 1
    }

    mutating func closed(_ source: Source, at now: Instant) {
        guard var entry = entries[source] else { return }
        entry.live -= 1
        entry.until = now + duration
        if entry.live == 0, !entry.isQueued {
            entry.isQueued = true
            queue.append(source)
        }
        entries[source] = entry
        forget(at: now)
    }

    private mutating func forget(at now: Instant) {
        while head < queue.count {
            let source = queue[head]
            guard var entry = entries[source], entry.live > 0 || entry.until <= now || queue.count - head > limit else {
                break
            }
            head += 1
            entry.isQueued = false
            entries[source] = entry.live > 0 ? entry : nil
        }
        guard head > 16, 2 * head > queue.count else { return }
        queue.removeFirst(head)
        head = 0
    }
}
