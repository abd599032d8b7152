/// Who holds the connections of a listener, and who has to go when somebody new comes.
///
/// Two rules, whatever the number of holders:
/// - Strangers, who have proven nothing yet, hold at most a part of all slots together. One who comes when that part is
///   full takes the place of another: the one that has been silent longest, else the one that spoke first.
/// - No one holder, stranger's source or proven, may hold more than is left free: alone it gets half of all slots, with
///   one other at most a third, and so on, and there is always a place for somebody who holds none.
///
/// Pure bookkeeping; whoever owns the connections closes those that are named. Each call costs constant time, amortized.
package struct SlotShares<Source: Hashable & Sendable, Holder: Hashable & Sendable>: Sendable {
    /// One connection's place. Never given twice.
    package struct Ticket: Hashable, Sendable {
        fileprivate let number: UInt64
    }

    /// What becomes of a connection that asks for a place.
    package enum Admission: Equatable, Sendable {
        /// - closing: who has to go for it.
        case admitted(Ticket, closing: Ticket?)
        case refused(SlotRefusal)
    }

    private enum Place {
        case stranger(Source, hasSpoken: Bool)
        case holder(Holder)
    }

    package let capacity: Int
    package let strangers: Int
    private var next: UInt64 = 0
    private var places: [Ticket: Place] = [:]
    private var strangerCount = 0
    private var bySource: [Source: TicketQueue] = [:]
    private var silent = TicketQueue()
    private var spoken = TicketQueue()
    private var byHolder: [Holder: Int] = [:]

    /// - Parameters:
    ///   - capacity: connections in all; at least 2.
    ///   - strangersOneIn: strangers hold at most one in so many of them, at least one.
    package init(capacity: Int, strangersOneIn: Int = Limits.Slots.strangersOneIn) {
        self.capacity = max(2, capacity)
        strangers = max(1, self.capacity / max(2, strangersOneIn))
    }

    package var count: Int { places.count }
    /// Connections of one holder.
    package func count(of holder: Holder) -> Int { byHolder[holder] ?? 0 }
    /// Connections that have proven nothing yet.
    package var countOfStrangers: Int { strangerCount }

    /// A connection that has proven nothing, from `source`: an IPv4 address, the /64 of an IPv6 one, or a local uid.
    package mutating func admit(strangerFrom source: Source) -> Admission {
        let own = bySource[source]?.count ?? 0
        let isGreedy = own > 0 && own >= strangers - strangerCount
        var evicted: Ticket?
        if isGreedy {
            evicted = bySource[source]?.first { Self.isStranger(places[$0]) }
        } else if strangerCount >= strangers {
            evicted = silent.first { Self.isSilent(places[$0]) } ?? spoken.first { Self.isStranger(places[$0]) }
        }
        if let evicted { release(evicted) }
        // Holders leave the strangers' part free; only a smaller capacity than tickets could get here.
        guard places.count < capacity else { return .refused(.full(capacity: capacity)) }
        let ticket = issue(.stranger(source, hasSpoken: false))
        strangerCount += 1
        bySource[source, default: TicketQueue()].append(ticket)
        silent.append(ticket)
        return .admitted(ticket, closing: evicted)
    }

    /// A connection whose owner is known from the start, such as a local process.
    package mutating func admit(_ holder: Holder) -> Admission {
        if let refusal = refusal(of: holder) { return .refused(refusal) }
        byHolder[holder, default: 0] += 1
        return .admitted(issue(.holder(holder)), closing: nil)
    }

    /// A stranger has sent something: those that have not go before it.
    package mutating func heard(_ ticket: Ticket) {
        guard case .stranger(let source, hasSpoken: false)? = places[ticket] else { return }
        places[ticket] = .stranger(source, hasSpoken: true)
        silent.removedOne()
        spoken.append(ticket)
    }

    /// A stranger has proven who it is.
    ///
    /// - Returns: why that one may not hold another; the connection is still a stranger's then.
    package mutating func vouch(_ ticket: Ticket, for holder: Holder) -> SlotRefusal? {
        guard case .stranger? = places[ticket] else { return .gone }
        if let refusal = refusal(of: holder) { return refusal }
        forgetStranger(ticket)
        places[ticket] = .holder(holder)
        byHolder[holder, default: 0] += 1
        return nil
    }

    /// The connection is closed. Does nothing for one that was released before.
    package mutating func release(_ ticket: Ticket) {
        switch places[ticket] {
        case .stranger?: forgetStranger(ticket)
        case .holder(let holder)?:
            let left = count(of: holder) - 1
            byHolder[holder] = left > 0 ? left : nil
        case nil: return
        }
        places[ticket] = nil
    }

    private func refusal(of holder: Holder) -> SlotRefusal? {
        // The strangers' part is never lent out, or there would be no way in.
        let free = capacity - strangers - (places.count - strangerCount)
        let own = count(of: holder)
        if free <= 0 { return .full(capacity: capacity) }
        return own > 0 && own >= free ? .share(held: own, free: free) : nil
    }

    private mutating func issue(_ place: Place) -> Ticket {
        next += 1
        let ticket = Ticket(number: next)
        places[ticket] = place
        return ticket
    }

    private mutating func forgetStranger(_ ticket: Ticket) {
        guard case .stranger(let source, let hasSpoken)? = places[ticket] else { return }
        strangerCount -= 1
        places[ticket] = nil
        bySource[source]?.removedOne()
        if bySource[source]?.count == 0 { bySource[source] = nil }
        if hasSpoken { spoken.removedOne() } else { silent.removedOne() }
        let places = places
        silent.compact { Self.isSilent(places[$0]) }
        spoken.compact { Self.isStranger(places[$0]) }
        bySource[source]?.compact { Self.isStranger(places[$0]) }
    }

    private static func isStranger(_ place: Place?) -> Bool {
        if case .stranger? = place { true } else { false }
    }

    private static func isSilent(_ place: Place?) -> Bool {
        if case .stranger(_, hasSpoken: false)? = place { true } else { false }
    }

    /// Tickets in the order they came. Those that left are skipped, and taken out once they are the greater part.
    private struct TicketQueue: Sendable {
        private var tickets: [Ticket] = []
        private var head = 0
        /// Of those that are still there.
        private(set) var count = 0

        mutating func append(_ ticket: Ticket) {
            tickets.append(ticket)
            count += 1
        }

        mutating func removedOne() { count -= 1 }

        func first(where isThere: (Ticket) -> Bool) -> Ticket? { tickets[head...].first(where: isThere) }

        mutating func compact(_ isThere: (Ticket) -> Bool) {
            while head < tickets.count, !isThere(tickets[head]) { head += 1 }
            guard tickets.count > 16, tickets.count > 2 * count else { return }
            tickets = tickets[head...].filter(isThere)
            head = 0
        }
    }
}

/// Why a connection gets no place.
package enum SlotRefusal: Error, Equatable, Sendable, CustomStringConvertible {
    case full(capacity: Int)
    /// It holds as many as are left for everybody else.
    case share(held: Int, free: Int)
    /// It was closed to make room.
    case gone

    package var description: String {
        switch self {
        case .full(let capacity): "all \(capacity) connections are taken; close some, or raise the limit"
        case .share(let held, let free):
            "it holds \(held) connections already and \(free) are left for everybody; close some, or raise the limit"
        case .gone: "the connection was closed to make room for others before it proved who it is"
        }
    }
}
