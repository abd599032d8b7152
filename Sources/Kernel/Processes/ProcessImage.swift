import KernelABI
package import Workloads

/// One image of one process: what an exec made of it. What was found out of one does not hold for the next.
package struct ProcessImage: Hashable, Sendable, Codable, CustomStringConvertible {
    package let process: ProcessKey
    /// Execs since the process was forked.
    package let number: UInt32

    package init(process: ProcessKey, number: UInt32) {
        self.process = process
        self.number = number
    }

    var abi: process_key {
        process_key(
            start_boottime_ns: process.startTime, tgid: UInt32(bitPattern: process.pid), image: number,
        )
    }

    package var description: String { "\(process)#\(number)" }
}
