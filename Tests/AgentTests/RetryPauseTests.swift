@testable import ControlPlaneAPI
import Limits
import Testing

@testable import Agent

@Suite("Pauses between tries") struct RetryPauseTests {
    @Test func `who is turned away at the door comes again soon, by chance, and slower after a while`() {
        let full = ControlPlaneError.turnedAway(address: "cp", reason: "full")
        func pause(_ failures: Int, _ luck: Double) -> Duration {
            RetryPause.after(failures, because: full, usual: .seconds(30), luck: luck)
        }
        #expect(pause(1, 0) == .milliseconds(250) && pause(1, 0.5) == .milliseconds(375))
        #expect((1...63).allSatisfy { pause($0, 1) == Limits.Stream.retryAtDoor })
        #expect(pause(64, 1) == Limits.Stream.retryAtDoor * 2)
        #expect(pause(10_000, 1) == Limits.Stream.longestRetry)
        #expect(Set((0..<20).map { _ in RetryPause.after(1, because: full, usual: .zero) }).count > 1)
    }

    @Test func `where nobody is, or no is the answer, it waits as ever`() {
        for error: ControlPlaneError in [
            .unreachable(address: "cp", reason: "refused"), .problem(Problem(error: "not_an_agent", message: "no")),
            .unexpected(address: "cp", status: 502, reason: "gateway"),
        ] {
            #expect(RetryPause.after(1, because: error, usual: .seconds(7), luck: 0) == .seconds(7))
        }
    }
}
