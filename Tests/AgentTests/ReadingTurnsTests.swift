import Testing

@testable import Agent

@Suite("Reading turns") struct ReadingTurnsTests {
    private func enter(_ turns: inout ReadingTurns, _ user: UInt32, _ bytes: Int64) throws -> ReadingTurns.Ticket {
        let entered = turns.enter(user, bytes: bytes)
        let ticket = try #require(entered)
        turns.wait(ticket, left: bytes)
        return ticket
    }

    @Test func `of one user's files the smallest is first`() throws {
        var turns = ReadingTurns()
        _ = try enter(&turns, 1001, 1 << 30)
        let small = try enter(&turns, 1001, 100)
        do {
            let told = turns.grant(1000)
            #expect(told == small)
        }
    }

    @Test func `two users read as much each, however many files they have`() throws {
        var turns = ReadingTurns()
        let many = try (1...100).map { _ in try enter(&turns, 1002, 1 << 30) }
        let one = try enter(&turns, 1001, 1 << 30)
        var isOnes: [Bool] = []
        for _ in 1...20 {
            let granted = turns.grant(1000)
            let ticket = try #require(granted)
            isOnes.append(ticket == one)
            #expect(ticket == one || many.contains(ticket))
            turns.wait(ticket, left: 1 << 30)
        }
        #expect(isOnes.count { $0 } == 10)
    }

    @Test func `who comes later has no claim to what others read before`() throws {
        var turns = ReadingTurns()
        let first = try enter(&turns, 1001, 1 << 30)
        for _ in 1...50 {
            do {
                let told = turns.grant(1000)
                #expect(told == first)
            }
            turns.wait(first, left: 1 << 30)
        }
        let second = try enter(&turns, 1002, 1 << 30)
        var seconds = 0
        for _ in 1...10 {
            let granted = turns.grant(1000)
            let ticket = try #require(granted)
            if ticket == second { seconds += 1 }
            turns.wait(ticket, left: 1 << 30)
        }
        #expect(seconds == 5)
    }

    @Test func `a file system that is slow is paid for by its user`() throws {
        var turns = ReadingTurns()
        let slow = try enter(&turns, 1001, 1 << 30)
        let quick = try enter(&turns, 1002, 1 << 30)
        do {
            let told = turns.grant(1000)
            #expect(told == slow)
        }
        turns.charge(slow, 5000)
        turns.wait(slow, left: 1 << 30)
        for _ in 1...5 {
            do {
                let told = turns.grant(1000)
                #expect(told == quick)
            }
            turns.wait(quick, left: 1 << 30)
        }
    }

    @Test func `nobody holds all places, and leaving gives one back`() throws {
        var turns = ReadingTurns(capacity: 10)
        let own = try (1...5).map { _ in try enter(&turns, 1001, 1) }
        do {
            let told = turns.enter(1001, bytes: 1)
            #expect(told == nil)
        }
        _ = try enter(&turns, 1002, 1)
        for ticket in own { turns.leave(ticket) }
        do {
            let told = turns.enter(1001, bytes: 1)
            #expect(told != nil)
        }
    }
}
