package import ControlPlaneAPI
import Kernel
import Limits
package import Logging

/// Says in the log when the kernel part loses something: a full table refuses, and nobody would know why.
package struct LossWatch: Sendable {
    private var known: [String: UInt64]
    private var told: [String: ContinuousClock.Instant] = [:]

    /// At least this long between two lines on one counter; what is lost meanwhile is in the next one.
    package static let pause = Limits.Queues.lossTold
    /// Between two looks.
    package static let interval = Limits.Queues.lossLook

    /// - Parameter known: what was told of before.
    package init(_ known: KernelCounters) {
        self.known = Dictionary(uniqueKeysWithValues: known.losses)
    }

    /// - Returns: a line for each counter that has grown since it was last told of.
    package mutating func lines(_ counters: KernelCounters, at now: ContinuousClock.Instant) -> [String] {
        var lines: [String] = []
        for (name, count) in counters.losses where count > known[name, default: 0] {
            if let last = told[name], now - last < Self.pause { continue }
            lines.append("\(Self.meaning(of: name)) (\(name) grew from \(known[name, default: 0]) to \(count))")
            told[name] = now
            known[name] = count
        }
        return lines
    }

    package static func run(
        _ counters: @Sendable () -> KernelCounters, clock: ContinuousClock = .continuous, logger: Logger,
    ) async {
        // An adopted kernel part has counted what a former agent told of; a new one starts at zero.
        var watch = LossWatch(counters())
        while (try? await clock.sleep(for: interval)) != nil {
            for line in watch.lines(counters(), at: clock.now) { logger.error("\(line)") }
        }
    }

    private static func meaning(of name: String) -> String {
        switch name {
        case "processesLost":
            "the kernel part's table of processes is full: processes without a record are refused; "
                + "end processes, or attach the agent to a smaller cgroup, then restart what was refused"
        case "listenersLost":
            "the kernel part's table of listeners is full: nobody reaches the new ones; close listeners and start those again"
        case "decisionsLost":
            "the kernel part could not decide processes for want of room or memory, and refuses them; free memory, then retry"
        case "flowsLost":
            "the kernel had no memory for records of redirected connections, which the proxy refuses; free memory, then retry"
        default:
            "the kernel part had more to tell than the agent read in time, or than is told of one user: it reads the tables anew each "
                + "second, and looks at the processes that this was about; look who opens and closes listeners without end, or give the agent more CPU"
        }
    }
}
