import Synchronization

/// One answer for all who wait for it, each of whom may leave before it comes, and leaves nothing behind then.
final class SharedAnswer<Value: Sendable>: Sendable {
    private enum Waiter {
        /// Cancelled before it waited.
        case left
        case waits(CheckedContinuation<Value, any Error>)
    }

    private struct State {
        var answer: Value?
        var next: UInt64 = 0
        var waiters: [UInt64: Waiter] = [:]
    }

    private let state = Mutex(State())

    /// How many wait.
    var waiting: Int { state.withLock { $0.waiters.count } }

    /// - Throws: `CancellationError`, at once, where the waiting task is cancelled.
    var value: Value {
        get async throws {
            let number = state.withLock { state in
                state.next += 1
                return state.next
            }
            return try await withTaskCancellationHandler {
                try await withCheckedThrowingContinuation { wait($0, number) }
            } onCancel: {
                leave(number)
            }
        }
    }

    func give(_ answer: Value) {
        let waiters = state.withLock { state in
            state.answer = answer
            defer { state.waiters = [:] }
            return state.waiters
        }
        for case .waits(let continuation) in waiters.values { continuation.resume(returning: answer) }
    }

    private func wait(_ continuation: CheckedContinuation<Value, any Error>, _ number: UInt64) {
        let outcome: Result<Value, any Error>? = state.withLock { state in
            if state.waiters.removeValue(forKey: number) != nil { return .failure(CancellationError()) }
            if let answer = state.answer { return .success(answer) }
            state.waiters[number] = .waits(continuation)
            return nil
        }
        if let outcome { continuation.resume(with: outcome) }
    }

    private func leave(_ number: UInt64) {
        let waiter: Waiter? = state.withLock { state in
            if let waiter = state.waiters.removeValue(forKey: number) { return waiter }
            // It is about to wait, or was answered: then nobody looks at this.
            if state.answer == nil { state.waiters[number] = .left }
            return nil
        }
        if case .waits(let continuation)? = waiter { continuation.resume(throwing: CancellationError()) }
    }
}
