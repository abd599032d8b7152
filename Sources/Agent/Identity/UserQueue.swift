import Synchronization

/// Does what it is given for users' processes, so much at once and no more, see ``UserTurns``; whoever gives it something does not wait.
final class UserQueue<Element: Hashable & Sendable>: Sendable {
    private let state: Mutex<UserTurns<Element>>
    private let isThere: @Sendable (Element) -> Bool
    private let wakes: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation

    /// - Parameter isThere: cheap; false for what need not be done any more.
    init(atOnce: Int, while isThere: @escaping @Sendable (Element) -> Bool) {
        state = Mutex(UserTurns(atOnce: atOnce))
        self.isThere = isThere
        (wakes, wake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    func add(_ element: Element, of user: UInt32) {
        state.withLock { $0.add(element, of: user, while: isThere) }
        wake.yield()
    }

    /// Works until cancelled.
    func run(_ work: @escaping @Sendable (Element, UInt32) async -> Void) async {
        await withDiscardingTaskGroup { group in
            for await _ in wakes {
                while let next = state.withLock({ $0.next() }) {
                    group.addTask {
                        await work(next.element, next.user)
                        self.state.withLock { $0.ended(of: next.user) }
                        self.wake.yield()
                    }
                }
            }
        }
    }
}
