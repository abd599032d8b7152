/// Who holds the connections of a listener, and who has to go when somebody new comes.
///
/// Rules, whatever the number of holders:
/// - Strangers, who have proven nothing yet, hold at most a part of all slots together. One who comes when that part is full takes the
///   place of another: the one that has been silent longest; else, where some network holds more than its own, that network's
///   oldest; else the one that spoke first. That one has a second to prove itself: until it is over it stays, and the newcomer goes.
/// - A stranger from where somebody has proven itself lately takes the place of any that is not, and gives its own to none of these.
/// - Guests, who are no peers of whom it is for, hold at most a part of what strangers leave together, and shares of that part.
/// - No stranger's source may hold more than is left free of their part.
/// - A holder gets another place as long as it has less than the cube of the free part: three in ten of all slots alone, an
///   eighth of them where half is taken, a thousandth where one in ten is free; a few whatever is free. So what holders leave shrinks
///   slowly (N of them leave about one in the root of 2N + 1), and hundreds of names together do not take all of it: see
///   ``most(of:free:)``. There is always a place for somebody who holds none.
/// - Names can be cheap. Who may make them pays as a holder does, for all that are his.
///
/// Pure bookkeeping; whoever owns the connections closes those that are named. Each call costs O(log n), amortized.
package struct SlotShares<Source: SlotSource, Holder: Hashable & Sendable>: Sendable {
    package typealias Ticket = SlotTicket
    package typealias Instant = ContinuousClock.Instant

    /// What becomes of a connection that asks for a place.
    package enum Admission: Equatable, Sendable {
        /// - closing: who has to go for it.
        case admitted(Ticket, closing: Ticket?)
        case refused(SlotRefusal)
    }

    private struct Held {
        let holder: Holder
        let payer: Holder?
        /// nil of one that was never a stranger.
        let source: Source?
        /// Whether its source is known for it.
        var makesKnown = false
    }

    package let capacity: Int
    package let strangers: Int
    private var next: UInt64 = 0
    private var unproven: StrangerSlots<Source>
    private var proven: [Ticket: Held] = [:]
    private var byHolder: [Holder: Int] = [:]
    private var byPayer: [Holder: Int] = [:]
    private var known: KnownSources<Source>
    /// What guests hold together at most.
    private let guestRoom: Int
    private let isGuest: @Sendable (Holder) -> Bool
    private var guests = 0

    /// - Parameters:
    ///   - capacity: connections in all; at least 2.
    ///   - strangersOneIn: strangers hold at most one in so many of them, at least one.
    ///   - guestsOneIn: guests hold at most one in so many of what is left, at least one.
    package init(
        capacity: Int, strangersOneIn: Int = Limits.Slots.strangersOneIn, chance: Duration = Limits.Slots.chance,
        knownSources: Int = Limits.Slots.knownSources, knownFor: Duration = Limits.Slots.knownFor,
        guestsOneIn: Int = Limits.Slots.guestsOneIn, isGuest: @escaping @Sendable (Holder) -> Bool = { _ in false },
    ) {
        self.capacity = max(2, capacity)
        strangers = max(1, self.capacity / max(2, strangersOneIn))
        unproven = StrangerSlots(capacity: strangers, chance: chance)
        known = KnownSources(limit: knownSources, duration: knownFor)
        guestRoom = max(1, (self.capacity - strangers) / max(1, guestsOneIn))
        self.isGuest = isGuest
    }

    package var count: Int { unproven.count + proven.count }
    /// Connections of one holder.
    package func count(of holder: Holder) -> Int { byHolder[holder] ?? 0 }
    /// Connections that have proven nothing yet.
    package var countOfStrangers: Int { unproven.count }

    /// A connection that has proven nothing, from `source`: an IPv4 address, the /64 of an IPv6 one, or a local uid.
    package mutating func admit(strangerFrom source: Source, at now: Instant) -> Admission {
        let isKnown = known.contains(source, at: now)
        let evicted: Ticket?
        switch unproven.room(for: source, isKnown: isKnown, at: now) {
        case .free: evicted = nil
        case .of(let ticket): evicted = ticket
        case .none: return .refused(.crowded)
        }
        if let evicted { unproven.remove(evicted) }
        // Holders leave the strangers' part free; only a smaller capacity than tickets could get here.
        guard count < capacity else { return .refused(.full(capacity: capacity)) }
        let ticket = issue()
        unproven.insert(ticket, from: source, isKnown: isKnown, at: now)
        return .admitted(ticket, closing: evicted)
    }

    /// A connection whose owner is known from the start, such as a local process.
    ///
    /// - Parameter payer: who can make such holders, where that is cheap.
    package mutating func admit(_ holder: Holder, paidBy payer: Holder? = nil) -> Admission {
        if let refusal = refusal(of: holder, payer) { return .refused(refusal) }
        let ticket = issue()
        hold(ticket, Held(holder: holder, payer: payer, source: nil))
        return .admitted(ticket, closing: nil)
    }

    /// A stranger has sent something: those that have not go before it.
    package mutating func heard(_ ticket: Ticket) { unproven.heard(ticket) }

    /// A stranger has proven who it is.
    ///
    /// - Parameters:
    ///   - payer: who can make such holders, where that is cheap.
    ///   - isKnownHence: whether it goes before others when it comes again from there.
    /// - Returns: why that one may not hold another; the connection is still a stranger's then.
    package mutating func vouch(
        _ ticket: Ticket, for holder: Holder, paidBy payer: Holder? = nil, isKnownHence: Bool = true, at now: Instant,
    ) -> SlotRefusal? {
        guard let source = unproven.source(of: ticket) else { return .gone }
        if let refusal = refusal(of: holder, payer) { return refusal }
        unproven.remove(ticket)
        hold(ticket, Held(holder: holder, payer: payer, source: source))
        if isKnownHence { recognize(ticket, at: now) }
        return nil
    }

    /// One that was vouched for before: who comes from there goes before others from now on.
    package mutating func recognize(_ ticket: Ticket, at now: Instant) {
        guard let held = proven[ticket], let source = held.source, !held.makesKnown else { return }
        proven[ticket]?.makesKnown = true
        known.opened(source, at: now)
    }

    /// Whether who comes from there goes before others.
    package func isKnown(_ source: Source, at now: Instant) -> Bool { known.contains(source, at: now) }

    private mutating func hold(_ ticket: Ticket, _ held: Held) {
        proven[ticket] = held
        byHolder[held.holder, default: 0] += 1
        if let payer = held.payer { byPayer[payer, default: 0] += 1 }
        if isGuest(held.holder) { guests += 1 }
    }

    /// The connection is closed. Does nothing for one that was released before.
    package mutating func release(_ ticket: Ticket, at now: Instant) {
        unproven.remove(ticket)
        guard let held = proven.removeValue(forKey: ticket) else { return }
        byHolder.takeOne(held.holder)
        if let payer = held.payer { byPayer.takeOne(payer) }
        if isGuest(held.holder) { guests -= 1 }
        if held.makesKnown, let source = held.source { known.closed(source, at: now) }
    }

    private func refusal(of holder: Holder, _ payer: Holder?) -> SlotRefusal? {
        // The strangers' part is never lent out, or there would be no way in.
        let room = capacity - strangers
        let free = room - proven.count
        let own = count(of: holder)
        if free <= 0 { return .full(capacity: capacity) }
        if own >= Self.most(of: room, free: free) { return .share(held: own, free: free) }
        if let payer, case let paid = byPayer[payer] ?? 0, paid >= Self.most(of: room, free: free) {
            return .payersShare(held: paid, free: free)
        }
        guard isGuest(holder) else { return nil }
        let freeForGuests = guestRoom - guests
        if freeForGuests <= 0 { return .guestsFull(guestRoom) }
        return own >= Self.most(of: guestRoom, free: freeForGuests) ? .share(held: own, free: freeForGuests) : nil
    }

    /// How many of `room` slots one holder, or payer, may have when so many are free; at least one.
    ///
    /// Why the cube: whoever takes all he may takes f(free), and the next one of what is left, so N of them leave 1 / N where f is the
    /// square, and 1 / √(2N + 1) where it is the cube; with "no more than is free" it was 2⁻ᴺ, and 14 names had 9,000 places. Of 9,000
    /// it takes 400 names to leave none; alone one gets 32 in a hundred, with nine others 6.
    static func most(of room: Int, free: Int) -> Int {
        let part = Double(free) / Double(room)
        return max(min(Limits.Slots.always, room / 4), Int((Double(room) * part * part * part).rounded(.up)), 1)
    }

    private mutating func issue() -> Ticket {
        next += 1
        return Ticket(number: next)
    }
}

/// Why a connection gets no place.
package enum SlotRefusal: Error, Equatable, Sendable, CustomStringConvertible {
    case full(capacity: Int)
    /// It holds as many as are left for everybody else.
    case share(held: Int, free: Int)
    /// The same of whoever can make such holders: together these hold that many.
    case payersShare(held: Int, free: Int)
    /// Guests hold all that is for them.
    case guestsFull(Int)
    /// It was closed to make room.
    case gone
    /// So many came at once that have proven nothing, that those before it have not had their chance.
    case crowded

    package var description: String {
        switch self {
        case .full(let capacity): "all \(capacity) connections are taken; close some, or raise the limit"
        case .share(let held, let free):
            "it holds \(held) connections already and \(free) are left for everybody; close some, or raise the limit"
        case .payersShare(let held, let free):
            "all that come from there, or that one user has made of one template, hold \(held) connections already and \(free) are "
                + "left for everybody; close some, or raise the limit"
        case .guestsFull(let room):
            "all \(room) connections that are for those who are no peers here are taken; close some, or raise the limit"
        case .gone: "the connection was closed to make room for others before it proved who it is"
        case .crowded:
            "as many connections as may have proven nothing yet have come within moments; try again, or raise the limit"
        }
    }
}

extension Dictionary where Value == Int {
    fileprivate mutating func takeOne(_ key: Key) {
        let left = (self[key] ?? 0) - 1
        self[key] = left > 0 ? left : nil
    }
}
