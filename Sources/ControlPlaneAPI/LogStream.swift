import Glibc
import Limits
import Synchronization

/// Where a daemon's log lines go. A line that cannot be written, for a full disk or a reader that is gone or stuck, is counted, and
/// the daemon goes on; the next one that can be is preceded by how many are missing.
package final class LogStream: Sendable {
    private struct State {
        /// In all.
        var lost: UInt64 = 0
        /// Not told yet, and why the last of them was.
        var untold: UInt64 = 0
        var reason: OutputRefused?
        /// A line was cut in the middle.
        var isWithinLine = false
    }

    private let descriptor: Int32
    private let notice: @Sendable (UInt64, OutputRefused) -> String
    /// Held while a line is written: lines of several threads do not mix.
    private let state = Mutex(State())

    /// - Parameter notice: the line, with its end, that says how many were lost and why.
    package init(
        descriptor: Int32 = StandardStream.error.rawValue,
        notice: @escaping @Sendable (UInt64, OutputRefused) -> String,
    ) {
        self.descriptor = descriptor
        self.notice = notice
    }

    package var lost: UInt64 { state.withLock { $0.lost } }

    /// - Parameter line: with its end.
    package func write(_ line: String) {
        state.withLock { state in
            do throws(OutputRefused) {
                if let reason = state.reason {
                    try write(notice(state.untold, reason), &state)
                    state.untold = 0
                }
                try write(line, &state)
                state.reason = nil
            } catch {
                state.lost += 1
                state.untold += 1
                state.reason = error
            }
        }
    }

    private func write(_ line: String, _ state: inout State) throws(OutputRefused) {
        // A reader that is stuck holds up one line, not each.
        let patience = state.reason == nil ? Limits.Log.patience : .zero
        let bytes = Array(((state.isWithinLine ? "\n" : "") + line).utf8)
        var written = 0
        defer { if written > 0 { state.isWithinLine = written < bytes.count } }
        while written < bytes.count {
            written += try StandardStream.writePiece(bytes[written...], to: descriptor, patience: patience)
        }
    }
}
