import Limits
import Synchronization
import Testing

@testable import Agent

@Suite("Whose turn it is") struct UserQueueTests {
    private static let user: UInt32 = 1001, other: UInt32 = 1002

    @Test(.timeLimit(.minutes(1)))
    func `files of one user that do not answer hold nobody else up, and none of his is forgotten`() async {
        let queue = UserQueue<Int>(atOnce: 16) { _ in true }
        let files = SharedAnswer<Bool>()
        let (begun, done) = (Counts(), Counts())
        let running = Task {
            await queue.run { _, user in
                begun.add(user)
                if user == Self.user { _ = try? await files.value }
                done.add(user)
            }
        }
        for number in 0..<10_000 { queue.add(number, of: Self.user) }
        while begun[Self.user] == 0 { await Task.yield() }
        for number in 0..<10 { queue.add(number, of: Self.other) }
        while done[Self.other] < 10 { await Task.yield() }
        #expect(begun[Self.user] == 8 && done[Self.user] == 0)
        files.give(true)
        while done[Self.user] < 10_000 { await Task.yield() }
        running.cancel()
        await running.value
        #expect(begun[Self.user] == 10_000 && done[Self.other] == 10)
    }

    @Test func `users take turns, and each one's come in order`() {
        var turns = UserTurns<Int>(atOnce: 1)
        for number in 0..<3 { turns.add(number, of: Self.user) { _ in true } }
        for number in 10..<12 { turns.add(number, of: Self.other) { _ in true } }
        var order: [Int] = []
        while let next = turns.next() {
            #expect(turns.next() == nil)
            order.append(next.element)
            turns.ended(of: next.user)
        }
        #expect(order == [0, 10, 1, 11, 2])
    }

    @Test func `nobody has more under way than is left, and a newcomer finds a place`() {
        var turns = UserTurns<Int>(atOnce: 16)
        var begun: [Int] = []
        for user in UInt32(0)..<4 {
            for number in 0..<100 { turns.add(number, of: user) { _ in true } }
            var count = 0
            while let next = turns.next() {
                #expect(next.user == user)
                count += 1
            }
            begun.append(count)
        }
        #expect(begun == [8, 4, 2, 1])
        turns.ended(of: 0)
        turns.add(1, of: 9) { _ in true }
        #expect(turns.next()?.user == 9)
    }

    @Test func `what waits does not wait twice, and what has ended is taken out`() {
        var turns = UserTurns<Int>(atOnce: 1)
        for _ in 0..<10_000 { turns.add(1, of: Self.user) { _ in true } }
        #expect(turns.waiting(for: Self.user) == 1)
        for number in 2..<100_000 {
            turns.add(number, of: Self.user) { $0 == 1 }
            #expect(turns.waiting(for: Self.user) <= Limits.Queues.ended)
        }
        #expect(turns.next()?.element == 1)
        // It changes while it is looked at: then it is looked at once more.
        turns.add(1, of: Self.user) { _ in true }
        turns.ended(of: Self.user)
        var left: [Int] = []
        while let next = turns.next() {
            left.append(next.element)
            turns.ended(of: next.user)
        }
        #expect(left.last == 1 && left.count <= Limits.Queues.ended)
    }
}

private final class Counts: Sendable {
    private let counts = Mutex<[UInt32: Int]>([:])

    subscript(user: UInt32) -> Int { counts.withLock { $0[user] ?? 0 } }

    func add(_ user: UInt32) { counts.withLock { $0[user, default: 0] += 1 } }
}
