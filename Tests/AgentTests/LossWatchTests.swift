import ControlPlaneAPI
import Testing

@testable import Agent

@Suite("Loss watch")
struct LossWatchTests {
    private let start = ContinuousClock().now

    private func counters(processes: UInt64 = 0, events: UInt64 = 0) -> KernelCounters {
        var counters = KernelCounters()
        counters.processesLost = processes
        counters.eventsLost = events
        return counters
    }

    @Test func `what was lost before is not told again, what is lost now is, with a remedy`() throws {
        var watch = LossWatch(counters(processes: 3))
        #expect(watch.lines(counters(processes: 3), at: start).isEmpty)
        let lines = watch.lines(counters(processes: 5), at: start)
        let line = try #require(lines.first)
        #expect(lines.count == 1)
        #expect(line.contains("processesLost grew from 3 to 5") && line.contains("restart"))
    }

    @Test func `a counter that goes on growing is told of once a minute, with all that was lost meanwhile`() {
        var watch = LossWatch(counters())
        #expect(watch.lines(counters(events: 1), at: start).count == 1)
        #expect(watch.lines(counters(events: 9), at: start + .seconds(59)).isEmpty)
        #expect(
            watch.lines(counters(events: 12), at: start + .seconds(60)).first?.contains("grew from 1 to 12") == true)
    }

    @Test func `counters do not keep each other quiet`() {
        var watch = LossWatch(counters())
        #expect(watch.lines(counters(events: 1), at: start).count == 1)
        #expect(watch.lines(counters(processes: 1, events: 2), at: start).first?.contains("processesLost") == true)
    }
}
