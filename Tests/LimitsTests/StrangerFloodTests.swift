import Testing

@testable import Limits

/// Floods of strangers that all begin TLS, and agents far away among them, in a time of the test's own; a tenth of the real size.
@Suite("Floods of strangers") struct StrangerFloodTests {
    @Test func `an agent that was there before finds a place from its address, however many come from everywhere`() {
        let flood = Flood(perSecond: 2000)
        #expect(flood.agentProvesItself(from: "10.1.1.1", roundTrip: .milliseconds(100)))
        flood.goOn(for: .seconds(1)) { "\($0).0.1" }
        for _ in 0..<5 {
            #expect(flood.agentProvesItself(from: "10.1.1.1", roundTrip: .milliseconds(500)) { "\($0).0.1" })
        }
    }

    @Test func `it has that place for an hour after its last connection, and as long as it has one`() {
        let flood = Flood(perSecond: 200)
        #expect(flood.agentProvesItself(from: "10.1.1.1", roundTrip: .zero))
        #expect(flood.agentProvesItself(from: "10.2.2.2", roundTrip: .zero, staysConnected: true))
        flood.now += Limits.Slots.knownFor - .seconds(60)
        flood.goOn(for: .seconds(1)) { "\($0).0.1" }
        #expect(flood.agentProvesItself(from: "10.1.1.1", roundTrip: .milliseconds(900)) { "\($0).0.1" })
        flood.now += Limits.Slots.knownFor + .seconds(60)
        flood.goOn(for: .milliseconds(999)) { "\($0).0.1" }
        // Just before those that came first have had their second.
        #expect(flood.isRefused("10.1.1.1"))
        #expect(!flood.isRefused("10.2.2.2"))
    }

    @Test func `a new agent finds a place where the flood comes from fewer networks than there are places`() {
        let flood = Flood(perSecond: 2000)
        let source: (Int) -> String = { "192.0.\($0 % 20).\($0 / 20 % 250)" }
        flood.goOn(for: .seconds(1), from: source)
        for host in 0..<5 {
            #expect(flood.agentProvesItself(from: "10.1.\(host).1", roundTrip: .milliseconds(500), during: source))
        }
    }

    @Test func `a new agent has a fair chance where it comes from more networks than that`() {
        let flood = Flood(perSecond: 400)
        flood.goOn(for: .seconds(1)) { "\($0).0.1" }
        var proven = 0
        for host in 0..<40 {
            flood.goOn(for: .milliseconds(137)) { "\($0).0.1" }
            if flood.agentProvesItself(from: "10.1.\(host).1", roundTrip: .milliseconds(337), during: { "\($0).0.1" }) {
                proven += 1
            }
        }
        // There are places for one in ten that come.
        #expect(proven >= 2)
    }

    @Test func `a new agent that comes again as soon as it may is in within seconds, at one place in ten that come`() {
        let flood = Flood(perSecond: 400)
        flood.goOn(for: .seconds(1)) { "\($0).0.1" }
        var waited: [Duration] = []
        for host in 0..<20 {
            let start = flood.now
            while flood.now < start + .seconds(30),
                !flood.agentProvesItself(from: "10.1.\(host).1", roundTrip: .milliseconds(337), during: { "\($0).0.1" })
            {
                flood.goOn(for: Limits.Stream.retryAtDoor * flood.luck()) { "\($0).0.1" }
            }
            waited.append(flood.now - start)
        }
        #expect(waited.sorted()[10] < .seconds(6) && waited.allSatisfy { $0 < .seconds(30) }, "\(waited.sorted())")
    }

    @Test func `those who flood from a known address put out neither a known agent nor, all together, new ones`() {
        let flood = Flood(perSecond: 2000)
        for host in 0..<5 { #expect(flood.agentProvesItself(from: "10.9.9.\(host)", roundTrip: .zero)) }
        let source: (Int) -> String = { "10.9.9.\($0 % 4)" }
        flood.goOn(for: .seconds(1), from: source)
        for host in 0..<5 {
            #expect(flood.agentProvesItself(from: "10.9.9.4", roundTrip: .milliseconds(500), during: source))
            #expect(flood.agentProvesItself(from: "10.1.\(host).1", roundTrip: .milliseconds(500), during: source))
        }
    }

    @Test func `addresses that are known are bounded, and the ones seen last stay`() {
        var known = KnownSources<SlotSharesTests.Address>(limit: 100, duration: .seconds(3600))
        let start = ContinuousClock.now
        for source in 0..<10 { known.opened("\(source)", at: start) }
        for source in 10..<10_000 {
            known.opened("\(source)", at: start)
            known.closed("\(source)", at: start + .seconds(1))
        }
        #expect(known.count == 110)
        #expect((0..<10).allSatisfy { known.contains("\($0)", at: start + .seconds(1_000_000)) })
        #expect((9900..<10_000).allSatisfy { known.contains("\($0)", at: start + .seconds(3600)) })
        #expect(!known.contains("9999", at: start + .seconds(3601)))
        known.opened("late", at: start + .seconds(3601))
        known.closed("late", at: start + .seconds(3601))
        #expect(known.count == 11, "what has run out is forgotten")
    }

    @Test func `a network of thousands of addresses displaces its own, not the known ones of others`() {
        var known = KnownSources<SlotSharesTests.Address>(limit: 100, duration: .seconds(3600))
        let start = ContinuousClock.now
        let others: [SlotSharesTests.Address] = (0..<50).map { "10.0.\($0).1" }
        for source in others {
            known.opened(source, at: start)
            known.closed(source, at: start)
        }
        for number in 0..<10_000 {
            known.opened("10.66.66.\(number)", at: start)
            known.closed("10.66.66.\(number)", at: start)
        }
        #expect(known.count == 100)
        #expect(others.allSatisfy { known.contains($0, at: start) })
        #expect(known.contains("10.66.66.9999", at: start) && !known.contains("10.66.66.0", at: start))
    }
}

/// Strangers that come one after the other, begin TLS at once, and then wait for their deadline.
private final class Flood {
    typealias Shares = SlotShares<SlotSharesTests.Address, String>

    private(set) var shares = Shares(capacity: Limits.Slots.controlPlane / 10)
    var now = ContinuousClock.now
    private let interval: Duration
    private var random = SplitMix(state: 7)
    private var count = 0
    private var waiting: [(ticket: Shares.Ticket, until: Shares.Instant)] = []
    private var head = 0
    private var closed: Set<Shares.Ticket> = []

    init(perSecond: Int) { interval = .seconds(1) / perSecond }

    func goOn(for duration: Duration, from source: (Int) -> String) {
        let end = now + duration
        while now < end {
            now += interval * Double.random(in: 0..<2, using: &random)
            while head < waiting.count, waiting[head].until <= now {
                shares.release(waiting[head].ticket, at: now)
                head += 1
            }
            count += 1
            guard let ticket = admit(source(count)) else { continue }
            shares.heard(ticket)
            waiting.append((ticket, now + Limits.Connection.handshake))
        }
    }

    /// Between half of a pause and all of it.
    func luck() -> Double { .random(in: 0.5..<1, using: &random) }

    private func admit(_ source: String) -> Shares.Ticket? {
        guard case .admitted(let ticket, let gone) = shares.admit(strangerFrom: .init(stringLiteral: source), at: now)
        else {
            return nil
        }
        if let gone { closed.insert(gone) }
        return ticket
    }

    func isRefused(_ source: String) -> Bool {
        guard let ticket = admit(source) else { return true }
        shares.release(ticket, at: now)
        return false
    }

    /// Connects, has its certificate verified so much later, and closes.
    func agentProvesItself(
        from source: String, roundTrip: Duration, staysConnected: Bool = false, during flood: ((Int) -> String)? = nil,
    ) -> Bool {
        guard let ticket = admit(source) else { return false }
        shares.heard(ticket)
        if let flood { goOn(for: roundTrip, from: flood) } else { now += roundTrip }
        guard !closed.contains(ticket), shares.vouch(ticket, for: source, at: now) == nil else { return false }
        if !staysConnected { shares.release(ticket, at: now) }
        return true
    }
}
