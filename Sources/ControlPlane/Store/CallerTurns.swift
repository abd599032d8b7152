import SPIFFE
import Synchronization

/// One at a time of each caller: who asks for much waits for itself, and everybody else for one turn of it at most.
final class CallerTurns: Sendable {
    /// Callers whose turn it is, and who waits behind them.
    private let waiting = Mutex<[SPIFFEID: [CheckedContinuation<Void, Never>]]>([:])

    func take<Value: Sendable, Failure: Error>(
        _ caller: SPIFFEID, _ work: () async throws(Failure) -> Value,
    ) async throws(Failure) -> Value {
        await begin(caller)
        defer { end(caller) }
        return try await work()
    }

    private func begin(_ caller: SPIFFEID) async {
        await withCheckedContinuation { turn in
            let isFree = waiting.withLock { waiting in
                guard waiting[caller] != nil else {
                    waiting[caller] = []
                    return true
                }
                waiting[caller]?.append(turn)
                return false
            }
            if isFree { turn.resume() }
        }
    }

    private func end(_ caller: SPIFFEID) {
        let next = waiting.withLock { waiting -> CheckedContinuation<Void, Never>? in
            guard waiting[caller]?.isEmpty == false else {
                waiting[caller] = nil
                return nil
            }
            return waiting[caller]?.removeFirst()
        }
        next?.resume()
    }
}
