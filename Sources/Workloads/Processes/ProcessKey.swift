/// One run of one process.
///
/// The kernel reuses a pid; the pair with its start time is unique for as long as the machine is up.
package struct ProcessKey: Hashable, Sendable, Codable, CustomStringConvertible {
    /// Thread group id in the initial PID namespace.
    package let pid: Int32
    /// Nanoseconds since boot, suspend included.
    package let startTime: UInt64

    package init(pid: Int32, startTime: UInt64) {
        self.pid = pid
        self.startTime = startTime
    }

    /// Field 22 of /proc/PID/stat, in ticks of 10 ms: USER_HZ is 100 on every architecture this runs on.
    package func began(atTick tick: UInt64) -> Bool { startTime / 10_000_000 == tick }

    package var description: String { "\(pid)@\(startTime)" }
}
