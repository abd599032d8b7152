import CLibBPF
import Glibc
import KernelABI

/// When something was told or not, by the clock of the kernel part.
package struct KernelMoment: Sendable {
    let nanoseconds: UInt64

    package static var now: KernelMoment {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return KernelMoment(nanoseconds: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
    }

    /// One earlier than it is: a process is marked a moment before its loss is counted.
    var untoldTime: UInt32 { untold_time(nanoseconds) - 1 }
}
