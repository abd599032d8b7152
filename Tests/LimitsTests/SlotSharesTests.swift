import Testing

@testable import Limits

@Suite("Shares of connections")
struct SlotSharesTests {
    typealias Shares = SlotShares<String, String>

    private func ticket(_ admission: Shares.Admission) throws -> Shares.Ticket {
        guard case .admitted(let ticket, _) = admission else {
            throw SlotRefusal.gone
        }
        return ticket
    }

    @Test func `strangers never hold more than their part`() {
        var shares = Shares(capacity: 100)
        for number in 0..<1000 { _ = shares.admit(strangerFrom: "10.0.0.\(number)") }
        #expect(shares.countOfStrangers == 10)
        #expect(shares.count == 10)
    }

    @Test func `the stranger that has been silent longest goes first`() throws {
        var shares = Shares(capacity: 30)
        let first = try ticket(shares.admit(strangerFrom: "a"))
        let second = try ticket(shares.admit(strangerFrom: "b"))
        let third = try ticket(shares.admit(strangerFrom: "c"))
        shares.heard(first)
        guard case .admitted(_, closing: second) = shares.admit(strangerFrom: "d") else {
            Issue.record("the second stranger stays")
            return
        }
        guard case .admitted(_, closing: third) = shares.admit(strangerFrom: "e") else {
            Issue.record("the third stranger stays")
            return
        }
    }

    @Test func `where all have spoken the one that spoke first goes`() throws {
        var shares = Shares(capacity: 20)
        let first = try ticket(shares.admit(strangerFrom: "a"))
        let second = try ticket(shares.admit(strangerFrom: "b"))
        shares.heard(second)
        shares.heard(first)
        guard case .admitted(_, closing: let closed) = shares.admit(strangerFrom: "c") else { throw SlotRefusal.gone }
        #expect(closed == second)
    }

    @Test func `one source of many connections displaces its own, not those of others`() throws {
        var shares = Shares(capacity: 100)
        let honest = try ticket(shares.admit(strangerFrom: "honest"))
        var closed: [Shares.Ticket] = []
        for _ in 0..<1000 {
            if case .admitted(_, closing: let gone?) = shares.admit(strangerFrom: "flood") { closed.append(gone) }
        }
        #expect(!closed.contains(honest))
        #expect(shares.vouch(honest, for: "agent") == nil)
    }

    @Test func `a holder gets half of what there is, and others find a place always`() {
        var shares = Shares(capacity: 110)
        var held = 0
        while case .admitted = shares.admit("greedy") { held += 1 }
        #expect(held == 50)
        for number in 0..<40 {
            guard case .admitted = shares.admit("other \(number)") else {
                Issue.record("holder \(number) finds no place")
                return
            }
        }
    }

    @Test func `strangers cannot keep a proven one out, however many they are`() throws {
        var shares = Shares(capacity: 50)
        for number in 0..<10_000 { _ = shares.admit(strangerFrom: "\(number)") }
        let agent = try ticket(shares.admit(strangerFrom: "agent's host"))
        #expect(shares.vouch(agent, for: "agent") == nil)
        #expect(shares.count(of: "agent") == 1)
    }

    @Test func `a place that was taken away cannot be vouched for`() throws {
        var shares = Shares(capacity: 2)
        let first = try ticket(shares.admit(strangerFrom: "a"))
        _ = shares.admit(strangerFrom: "b")
        #expect(shares.vouch(first, for: "agent") == .gone)
    }

    @Test func `what is released is counted once`() throws {
        var shares = Shares(capacity: 10)
        let stranger = try ticket(shares.admit(strangerFrom: "a"))
        let holder = try ticket(shares.admit("workload"))
        for _ in 0..<3 {
            shares.release(stranger)
            shares.release(holder)
        }
        #expect(shares.count == 0)
        #expect(shares.countOfStrangers == 0)
        #expect(shares.count(of: "workload") == 0)
    }

    /// Against a slow and plain reading of the rules.
    @Test(arguments: 0..<40) func `random comings and goings keep every promise`(_ seed: UInt64) throws {
        var random = SplitMix(state: seed)
        var shares = Shares(capacity: 40)
        var alive: [Shares.Ticket] = []
        for _ in 0..<2000 {
            switch UInt64.random(in: 0..<10, using: &random) {
            case 0..<4:
                let admission = shares.admit(strangerFrom: "\(UInt64.random(in: 0..<6, using: &random))")
                guard case .admitted(let ticket, let closing) = admission else { throw SlotRefusal.gone }
                if let closing {
                    #expect(alive.contains(closing))
                    alive.removeAll { $0 == closing }
                }
                alive.append(ticket)
            case 4..<6:
                if case .admitted(let ticket, nil) = shares.admit("\(UInt64.random(in: 0..<4, using: &random))") {
                    alive.append(ticket)
                }
            case 6: if let ticket = alive.randomElement(using: &random) { shares.heard(ticket) }
            case 7: if let ticket = alive.randomElement(using: &random) { _ = shares.vouch(ticket, for: "v") }
            default:
                if let ticket = alive.randomElement(using: &random) {
                    shares.release(ticket)
                    alive.removeAll { $0 == ticket }
                }
            }
            #expect(shares.count == alive.count)
            #expect(shares.count <= shares.capacity)
            #expect(shares.countOfStrangers <= shares.strangers)
        }
    }
}

/// Steele, Lea and Flood's generator: the same numbers each time.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
