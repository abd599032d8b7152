import Foundation
import Synchronization

/// How many refusals of strangers are recorded a minute.
final class RefusalBudget: Sendable {
    private struct Minute {
        var number: Int64 = 0
        var taken = 0
    }

    private let perMinute: Int
    private let current = Mutex(Minute())

    init(perMinute: Int) {
        self.perMinute = perMinute
    }

    /// - Returns: false once this minute's are used up.
    func take(at now: Date) -> Bool {
        let number = Int64(now.timeIntervalSince1970 / 60)
        return current.withLock { minute in
            if minute.number != number { minute = Minute(number: number) }
            minute.taken += 1
            return minute.taken <= perMinute
        }
    }
}
