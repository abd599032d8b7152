import ControlPlaneAPI
import Limits

/// How long an agent waits until it tries again what it cannot be without: an SVID of its own, and the stream.
enum RetryPause {
    /// - Parameters:
    ///   - failures: in a row, with this one.
    ///   - usual: where nothing else is known.
    ///   - luck: of 0..<1, so that agents do not come together.
    static func after(
        _ failures: Int, because error: any Error, usual: Duration, luck: Double = .random(in: 0..<1),
    ) -> Duration {
        guard case ControlPlaneError.turnedAway = error else { return usual }
        let longest = Limits.Stream.retryAtDoor * max(1, 2 * failures / Limits.Stream.triesAtDoor)
        return min(longest, Limits.Stream.longestRetry) * (0.5 + luck / 2)
    }
}
