/// Sources from which somebody has proven who it is, while it is connected and for a while after. Bounded; where there are more
/// the network that has most forgets its oldest one, so that nobody's addresses displace those of others.
struct KnownSources<Source: SlotSource>: Sendable {
    typealias Instant = ContinuousClock.Instant

    private struct Entry {
        /// Connections of it that are proven.
        var live = 0
        /// Of one without any.
        var until: Instant
        /// Its place among those without any.
        var ticket: SlotTicket?
    }

    private let limit: Int
    private let duration: Duration
    private var entries: [Source: Entry] = [:]
    private var next: UInt64 = 0
    /// Those without connections, in the order in which they had their last; of all, and of each network.
    private var idle: [SlotTicket: Source] = [:]
    private var order = TicketQueue()
    private var byNetwork: [Source.Network: TicketQueue] = [:]
    private var networks = LargestHolder<Source.Network>()

    init(limit: Int, duration: Duration) {
        self.limit = limit
        self.duration = duration
    }

    var count: Int { entries.count }

    func contains(_ source: Source, at now: Instant) -> Bool {
        entries[source].map { $0.live > 0 || $0.until > now } ?? false
    }

    mutating func opened(_ source: Source, at now: Instant) {
        if let ticket = entries[source]?.ticket { leave(ticket) }
        entries[source, default: Entry(until: now)].live += 1
    }

    mutating func closed(_ source: Source, at now: Instant) {
        guard var entry = entries[source] else { return }
        entry.live -= 1
        entry.until = now + duration
        entries[source] = entry
        guard entry.live == 0 else { return }
        enter(source)
        while let oldest = idle[first(of: order)], entries[oldest].map({ $0.until <= now }) ?? true { forget(oldest) }
        while idle.count > limit, let source = idle[oneTooMany()] { forget(source) }
    }

    private mutating func oneTooMany() -> SlotTicket? {
        if let most = networks.largest(), most.amount > 1 { return first(of: byNetwork[most.holder]) }
        return first(of: order)
    }

    private func first(of queue: TicketQueue?) -> SlotTicket? { queue?.first { idle[$0] != nil } }

    private mutating func forget(_ source: Source) {
        if let ticket = entries.removeValue(forKey: source)?.ticket { leave(ticket) }
    }

    private mutating func enter(_ source: Source) {
        next += 1
        let ticket = SlotTicket(number: next)
        entries[source]?.ticket = ticket
        idle[ticket] = source
        order.append(ticket)
        byNetwork[source.network, default: TicketQueue()].append(ticket)
        networks.add(1, to: source.network)
    }

    private mutating func leave(_ ticket: SlotTicket) {
        guard let source = idle.removeValue(forKey: ticket) else { return }
        entries[source]?.ticket = nil
        let (idle, network) = (idle, source.network)
        order.removedOne { idle[$0] != nil }
        byNetwork[network]?.removedOne { idle[$0] != nil }
        if byNetwork[network]?.count == 0 { byNetwork[network] = nil }
        networks.add(-1, to: network)
    }
}

extension Dictionary where Key == SlotTicket {
    fileprivate subscript(ticket: SlotTicket?) -> Value? { ticket.flatMap { self[$0] } }
}
