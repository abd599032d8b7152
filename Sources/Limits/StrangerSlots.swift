/// The connections of a listener that have proven nothing yet, and which of them has to go for another.
struct StrangerSlots<Source: SlotSource>: Sendable {
    typealias Instant = ContinuousClock.Instant

    enum Room: Equatable {
        case free
        case of(SlotTicket)
        case none
    }

    private struct Stranger {
        let source: Source
        /// Somebody has proven who it is from there.
        let isKnown: Bool
        let since: Instant
        var hasSpoken = false
    }

    private let capacity: Int
    /// How long one that has spoken is not put out for others that are no better.
    private let chance: Duration
    private var places: [SlotTicket: Stranger] = [:]
    private var bySource: [Source: TicketQueue] = [:]
    /// Those from where nobody is known: by network, silent, and in the order in which they spoke.
    private var byNetwork: [Source.Network: TicketQueue] = [:]
    private var networks = LargestHolder<Source.Network>()
    private var silent = TicketQueue()
    private var spoken = TicketQueue()
    /// The others.
    private var known = TicketQueue()
    private var knownSources = LargestHolder<Source>()

    init(capacity: Int, chance: Duration) {
        self.capacity = capacity
        self.chance = chance
    }

    var count: Int { places.count }

    func contains(_ ticket: SlotTicket) -> Bool { places[ticket] != nil }
    func source(of ticket: SlotTicket) -> Source? { places[ticket]?.source }

    mutating func room(for source: Source, isKnown: Bool, at now: Instant) -> Room {
        let own = bySource[source]?.count ?? 0
        if own > 0, own >= capacity - count {
            // Of its own it goes sooner: whoever shares an address with a flood is to find a place as well.
            return had(bySource[source]?.first(where: contains), at: now, chance: chance / 10)
        }
        guard count >= capacity else { return .free }
        guard isKnown else { return roomForUnknown(source.network, at: now) }
        // Some places are never theirs: who was never here is to have a chance too.
        guard known.count < max(1, capacity - capacity / 4) else { return amongKnown(own, at: now) }
        return roomForKnown(own, at: now)
    }

    /// It goes before all that are not known. Among its like who has most goes first.
    private mutating func roomForKnown(_ own: Int, at now: Instant) -> Room {
        if let first = silent.first(where: isSilent) ?? spoken.first(where: contains) { return .of(first) }
        return amongKnown(own, at: now)
    }

    private mutating func amongKnown(_ own: Int, at now: Instant) -> Room {
        if let largest = knownSources.largest(), largest.amount > own + 1,
            let first = bySource[largest.holder]?.first(where: contains)
        {
            return .of(first)
        }
        return had(known.first(where: contains), at: now)
    }

    private mutating func roomForUnknown(_ network: Source.Network, at now: Instant) -> Room {
        if let first = silent.first(where: isSilent) { return .of(first) }
        if let largest = networks.largest(), largest.amount > networks[network] + 1,
            let first = byNetwork[largest.holder]?.first(where: contains)
        {
            return .of(first)
        }
        return had(spoken.first(where: contains), at: now)
    }

    /// Whoever came later has not earned its place better; so the first one goes only when it has had its chance.
    private func had(_ ticket: SlotTicket?, at now: Instant, chance: Duration? = nil) -> Room {
        guard let ticket, let stranger = places[ticket] else { return .none }
        return !stranger.hasSpoken || now - stranger.since >= chance ?? self.chance ? .of(ticket) : .none
    }

    mutating func insert(_ ticket: SlotTicket, from source: Source, isKnown: Bool, at now: Instant) {
        places[ticket] = Stranger(source: source, isKnown: isKnown, since: now)
        bySource[source, default: TicketQueue()].append(ticket)
        if isKnown {
            known.append(ticket)
            knownSources.add(1, to: source)
        } else {
            silent.append(ticket)
            byNetwork[source.network, default: TicketQueue()].append(ticket)
            networks.add(1, to: source.network)
        }
    }

    mutating func heard(_ ticket: SlotTicket) {
        guard let stranger = places[ticket], !stranger.hasSpoken else { return }
        places[ticket]?.hasSpoken = true
        guard !stranger.isKnown else { return }
        let places = places
        silent.removedOne { Self.isSilent(places[$0]) }
        spoken.append(ticket)
    }

    mutating func remove(_ ticket: SlotTicket) {
        guard let stranger = places.removeValue(forKey: ticket) else { return }
        let (places, source) = (places, stranger.source)
        bySource[source]?.removedOne { places[$0] != nil }
        if bySource[source]?.count == 0 { bySource[source] = nil }
        guard !stranger.isKnown else {
            known.removedOne { places[$0] != nil }
            return knownSources.add(-1, to: source)
        }
        if stranger.hasSpoken {
            spoken.removedOne { places[$0] != nil }
        } else {
            silent.removedOne { Self.isSilent(places[$0]) }
        }
        byNetwork[source.network]?.removedOne { places[$0] != nil }
        if byNetwork[source.network]?.count == 0 { byNetwork[source.network] = nil }
        networks.add(-1, to: source.network)
    }

    private func isSilent(_ ticket: SlotTicket) -> Bool { Self.isSilent(places[ticket]) }

    private static func isSilent(_ stranger: Stranger?) -> Bool { stranger.map { !$0.hasSpoken } ?? false }
}

/// Where a stranger comes from: an address, or what one owner has of them.
package protocol SlotSource: Hashable, Sendable {
    /// A part of the network, whose addresses may well be one owner's together.
    associatedtype Network: Hashable & Sendable
    var network: Network { get }
}
