import ControlPlaneAPI
import Foundation
import Synchronization

/// How many refusals of strangers are told each a minute; the others are counted.
final class RefusalBudget: Sendable {
    /// Of one refusal.
    struct Verdict: Equatable {
        /// It is within the minute's.
        let isTold: Bool
        /// How many were not since the last one that was; told with this one.
        let untold: Int
    }

    private struct Minute {
        var number: Int64 = 0
        var taken = 0
        var untold = 0
    }

    private let perMinute: Int
    private let current = Mutex(Minute())

    init(perMinute: Int) {
        self.perMinute = perMinute
    }

    func take(at now: Date) -> Verdict {
        let number = Int64(now.timeIntervalSince1970 / 60)
        return current.withLock { minute in
            if minute.number != number { minute = Minute(number: number, untold: minute.untold) }
            minute.taken += 1
            guard minute.taken <= perMinute else {
                minute.untold += 1
                return Verdict(isTold: false, untold: 0)
            }
            defer { minute.untold = 0 }
            return Verdict(isTold: true, untold: minute.untold)
        }
    }
}

extension AuditChain.Entry {
    /// Refusals of those who proved nothing, of which no more are told of each.
    static func untold(_ type: String, _ count: Int, at time: Date) -> AuditChain.Entry {
        AuditChain.Entry(
            time: time, type: type,
            details: [
                "count": .integer(Int64(count)),
                "reason": .string(
                    "strangers were refused more often in a minute than is told of each; so many more until now"),
            ])
    }
}
