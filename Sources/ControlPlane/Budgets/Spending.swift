import Foundation

/// What was taken of something that comes back with time.
struct Spending {
    var amount = 0.0
    var at: Date

    /// - Parameter atOnce: what there is at most.
    func left(perSecond: Double, atOnce: Double, at now: Date) -> Double {
        atOnce - max(0, amount - max(0, now.timeIntervalSince(at)) * perSecond)
    }
}
