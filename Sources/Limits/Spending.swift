package import Foundation

/// What was taken of something that comes back with time.
package struct Spending: Sendable {
    package var amount = 0.0
    package var at: Date

    package init(amount: Double = 0, at: Date) {
        self.amount = amount
        self.at = at
    }

    /// - Parameter atOnce: what there is at most.
    package func left(perSecond: Double, atOnce: Double, at now: Date) -> Double {
        atOnce - max(0, amount - max(0, now.timeIntervalSince(at)) * perSecond)
    }
}
