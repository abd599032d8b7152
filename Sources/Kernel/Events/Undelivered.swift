import Synchronization

/// What nobody read in time.
final class Undelivered: Sendable {
    let count = Atomic<UInt64>(0)

    func add() { count.add(1, ordering: .relaxed) }
}

extension KernelSession {
    /// What was taken from ``events``, or ``notices``, and dropped for want of room is as if it had never been told.
    package func countUndelivered(isNotice: Bool) { (isNotice ? undeliveredNotices : undelivered).add() }
}
