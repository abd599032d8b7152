import Testing

@testable import Limits

@Suite("Shares of connections")
struct SlotSharesTests {
    typealias Shares = SlotShares<Address, String>

    /// `network.host`, or a network with one host.
    struct Address: SlotSource, ExpressibleByStringInterpolation {
        let text: String

        init(stringLiteral text: String) { self.text = text }

        var network: String {
            text.split(separator: ".").dropLast().joined(separator: ".") + (text.contains(".") ? "" : text)
        }
    }

    private let start = ContinuousClock.now

    private func ticket(_ admission: Shares.Admission) throws -> Shares.Ticket {
        guard case .admitted(let ticket, _) = admission else {
            throw SlotRefusal.gone
        }
        return ticket
    }

    @Test func `strangers never hold more than their part`() {
        var shares = Shares(capacity: 100)
        for number in 0..<1000 { _ = shares.admit(strangerFrom: "10.0.0.\(number)", at: start) }
        #expect(shares.countOfStrangers == 10)
        #expect(shares.count == 10)
    }

    @Test func `guests hold half of what strangers leave, however many they are, and peers find a place`() throws {
        var shares = Shares(capacity: 100, isGuest: { $0.hasPrefix("guest") })
        var guests: [Shares.Ticket] = []
        for number in 0..<1000 {
            if case .admitted(let ticket, _) = shares.admit("guest\(number)") { guests.append(ticket) }
        }
        #expect(guests.count == 45 && shares.count == 45)
        #expect(shares.admit("guest") == .refused(.guestsFull(45)))
        for number in 0..<45 { _ = try ticket(shares.admit("peer\(number)")) }
        #expect(shares.count == 90)
        shares.release(guests[0], at: start)
        _ = try ticket(shares.admit("guest"))
        #expect(shares.admit("guest") == .refused(.full(capacity: 100)))
    }

    @Test func `one guest holds no more than is left for the others`() throws {
        var shares = Shares(capacity: 100, isGuest: { $0.hasPrefix("guest") })
        var admitted = 0
        for _ in 0..<100 { if case .admitted = shares.admit("guest") { admitted += 1 } }
        #expect(admitted == 15)
        _ = try ticket(shares.admit("guest2"))
    }

    @Test func `the stranger that has been silent longest goes first`() throws {
        var shares = Shares(capacity: 30)
        let first = try ticket(shares.admit(strangerFrom: "a", at: start))
        let second = try ticket(shares.admit(strangerFrom: "b", at: start))
        let third = try ticket(shares.admit(strangerFrom: "c", at: start))
        shares.heard(first)
        guard case .admitted(_, closing: second) = shares.admit(strangerFrom: "d", at: start) else {
            Issue.record("the second stranger stays")
            return
        }
        guard case .admitted(_, closing: third) = shares.admit(strangerFrom: "e", at: start) else {
            Issue.record("the third stranger stays")
            return
        }
    }

    @Test func `where all have spoken the one that spoke first goes`() throws {
        var shares = Shares(capacity: 20)
        let first = try ticket(shares.admit(strangerFrom: "a", at: start))
        let second = try ticket(shares.admit(strangerFrom: "b", at: start))
        shares.heard(second)
        shares.heard(first)
        #expect(shares.admit(strangerFrom: "c", at: start + .milliseconds(999)) == .refused(.crowded))
        guard case .admitted(_, closing: let closed) = shares.admit(strangerFrom: "c", at: start + .seconds(1)) else {
            throw SlotRefusal.gone
        }
        #expect(closed == second)
    }

    @Test func `one source of many connections displaces its own, not those of others`() throws {
        var shares = Shares(capacity: 100)
        let honest = try ticket(shares.admit(strangerFrom: "honest", at: start))
        var closed: [Shares.Ticket] = []
        for _ in 0..<1000 {
            if case .admitted(_, closing: let gone?) = shares.admit(strangerFrom: "flood", at: start) {
                closed.append(gone)
            }
        }
        #expect(!closed.contains(honest))
        #expect(shares.vouch(honest, for: "agent", at: start) == nil)
    }

    @Test func `a holder gets a third of what there is, and others find a place always`() {
        var shares = Shares(capacity: 110)
        var held = 0
        while case .admitted = shares.admit("greedy") { held += 1 }
        #expect(held == 32)
        for number in 0..<40 {
            guard case .admitted = shares.admit("other \(number)") else {
                Issue.record("holder \(number) finds no place")
                return
            }
        }
    }

    /// Each takes whatever it may, one after the other, which is the most that so many can have.
    @Test(arguments: [(4096, 220), (10_000, 399), (1_000_000, 8000)])
    func `hundreds of names that take all they may leave a place for somebody new`(_ capacity: Int, _ names: Int) {
        var shares = Shares(capacity: capacity)
        for number in 0..<names { while case .admitted = shares.admit("\(number)") {} }
        guard case .admitted = shares.admit("new") else {
            Issue.record("\(names) names hold \(shares.count) of \(capacity), and there is no place for another")
            return
        }
    }

    /// Also where places become free in between, so that some may have more than they could get now: others had to leave for it.
    @Test(arguments: 0..<20) func `a hundred names never take all, in whatever order they come and go`(
        _ seed: UInt64
    ) throws {
        var random = SplitMix(state: seed)
        var shares = Shares(capacity: 2000)
        var held: [[Shares.Ticket]] = Array(repeating: [], count: 100)
        for round in 0..<100 {
            let name = Int.random(in: 0..<held.count, using: &random)
            while case .admitted(let ticket, _) = shares.admit("\(name)") { held[name].append(ticket) }
            if round % 3 == 2, let gone = held.indices.filter({ !held[$0].isEmpty }).randomElement(using: &random) {
                for ticket in held[gone] { shares.release(ticket, at: start) }
                held[gone] = []
            }
            let new = shares.admit("new")
            shares.release(try ticket(new), at: start)
        }
    }

    @Test func `whoever can make names pays for all that are his, and leaves others what one holder would`() throws {
        var shares = Shares(capacity: 10_000)
        for number in 0..<10_000 { _ = shares.admit("name \(number)", paidBy: "maker") }
        #expect(shares.count == 2860)
        guard case .refused(.payersShare(held: 2860, free: 6140)) = shares.admit("name", paidBy: "maker") else {
            Issue.record("the maker of names has more than a holder may")
            return
        }
        let own = try ticket(shares.admit("name", paidBy: "another"))
        _ = try ticket(shares.admit("name"))
        shares.release(own, at: start)
        #expect(shares.count == 2861)
        // What is given back counts for its maker as well.
        let stranger = try ticket(shares.admit(strangerFrom: "host", at: start))
        #expect(shares.vouch(stranger, for: "new name", paidBy: "maker", at: start) != nil)
        #expect(shares.vouch(stranger, for: "new name", paidBy: "host", at: start) == nil)
    }

    @Test func `one that has a share of its own has a few places while any is free, and one always`() throws {
        var shares = Shares(capacity: 1000)
        for number in 0..<850 { _ = try ticket(shares.admit("\(number)")) }
        for _ in 0..<Limits.Slots.always { _ = try ticket(shares.admit("agent")) }
        #expect(shares.admit("agent") == .refused(.share(held: 2, free: 48)))
        _ = try ticket(shares.admit("new"))
    }

    @Test func `strangers cannot keep a proven one out, however many they are`() throws {
        var shares = Shares(capacity: 50)
        for number in 0..<10_000 { _ = shares.admit(strangerFrom: "\(number)", at: start) }
        let agent = try ticket(shares.admit(strangerFrom: "agent's host", at: start))
        #expect(shares.vouch(agent, for: "agent", at: start) == nil)
        #expect(shares.count(of: "agent") == 1)
    }

    @Test func `a place that was taken away cannot be vouched for`() throws {
        var shares = Shares(capacity: 2)
        let first = try ticket(shares.admit(strangerFrom: "a", at: start))
        _ = shares.admit(strangerFrom: "b", at: start)
        #expect(shares.vouch(first, for: "agent", at: start) == .gone)
    }

    @Test func `what is released is counted once`() throws {
        var shares = Shares(capacity: 10)
        let stranger = try ticket(shares.admit(strangerFrom: "a", at: start))
        let holder = try ticket(shares.admit("workload"))
        for _ in 0..<3 {
            shares.release(stranger, at: start)
            shares.release(holder, at: start)
        }
        #expect(shares.count == 0)
        #expect(shares.countOfStrangers == 0)
        #expect(shares.count(of: "workload") == 0)
    }

    /// Against a slow and plain reading of the rules.
    @Test(arguments: 0..<20) func `random comings and goings keep every promise`(_ seed: UInt64) {
        var random = SplitMix(state: seed)
        var shares = Shares(capacity: 80)
        var plain = PlainReading()
        var now = start
        for _ in 0..<1000 {
            now += .milliseconds(Int.random(in: 0..<200, using: &random))
            let some = plain.strangers.keys.randomElement(using: &random)
            switch Int.random(in: 0..<12, using: &random) {
            case 0..<6:
                let host = Int.random(in: 0..<40, using: &random)
                let source: Address = "\(host % 10).\(host)"
                plain.check(shares.admit(strangerFrom: source, at: now), from: source, shares.strangers, at: now)
            case 6:
                if case .admitted(let ticket, nil) = shares.admit("\(Int.random(in: 0..<4, using: &random))") {
                    plain.proven[ticket] = "local"
                }
            case 7, 8:
                if let some { shares.heard(some) }
                if let some { plain.strangers[some]?.hasSpoken = true }
            case 9: if let some, shares.vouch(some, for: "v", at: now) == nil { plain.prove(some) }
            default:
                let gone = some ?? plain.proven.keys.randomElement(using: &random)
                if let gone { shares.release(gone, at: now) }
                if let gone { plain.release(gone, at: now) }
            }
            #expect(shares.count == plain.strangers.count + plain.proven.count)
            #expect(shares.count <= shares.capacity)
            #expect(shares.countOfStrangers == plain.strangers.count && plain.strangers.count <= shares.strangers)
        }
    }
}

/// What the rules say, without any thought of cost.
private struct PlainReading {
    typealias Shares = SlotSharesTests.Shares

    struct Stranger {
        let source: SlotSharesTests.Address
        let isKnown: Bool
        let since: Shares.Instant
        var hasSpoken = false
    }

    var strangers: [SlotTicket: Stranger] = [:]
    var proven: [SlotTicket: SlotSharesTests.Address] = [:]
    private var left: [SlotSharesTests.Address: Shares.Instant] = [:]

    mutating func check(
        _ admission: Shares.Admission, from source: SlotSharesTests.Address, _ most: Int, at now: Shares.Instant,
    ) {
        let isKnown = proven.values.contains(source) || left[source].map { $0 + Limits.Slots.knownFor > now } ?? false
        let own = strangers.values.count { $0.source == source }
        let isGreedy = own > 0 && own >= most - strangers.count
        switch admission {
        case .admitted(let ticket, let closing):
            if let gone = closing.flatMap({ strangers.removeValue(forKey: $0) }) {
                #expect(isGreedy || strangers.count + 1 == most)
                #expect(!isGreedy || gone.source == source)
                #expect(isGreedy || isKnown || !gone.isKnown, "who is known does not go for one that is not")
                let known = strangers.values.count { $0.isKnown } + (gone.isKnown ? 1 : 0)
                #expect(
                    isGreedy || !isKnown || gone.isKnown || known < Self.mostKnown(of: most),
                    "a quarter is never theirs")
            } else {
                #expect(closing == nil, "only strangers go")
            }
            strangers[ticket] = Stranger(source: source, isKnown: isKnown, since: now)
        case .refused:
            let like = strangers.values.filter { $0.isKnown == isKnown }
            #expect(isGreedy || strangers.count == most)
            #expect(isGreedy || like.allSatisfy { $0.hasSpoken || isKnown })
            let hasNewOne = strangers.values.contains { now - $0.since < Limits.Slots.chance }
            #expect(hasNewOne || strangers.values.allSatisfy { $0.isKnown && !isKnown } || isKnown)
            #expect(
                isGreedy || !isKnown || like.count >= Self.mostKnown(of: most), "who is known goes before all others")
        }
    }

    private static func mostKnown(of most: Int) -> Int { max(1, most - most / 4) }

    mutating func prove(_ ticket: SlotTicket) { proven[ticket] = strangers.removeValue(forKey: ticket)?.source }

    mutating func release(_ ticket: SlotTicket, at now: Shares.Instant) {
        strangers[ticket] = nil
        if let source = proven.removeValue(forKey: ticket) { left[source] = now }
    }
}

/// Steele, Lea and Flood's generator: the same numbers each time.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
