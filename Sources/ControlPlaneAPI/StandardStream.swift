import Glibc
import Workloads

/// Standard output and standard error. What cannot be written is told to the caller, and never a reason to trap.
package enum StandardStream: Int32, Sendable {
    case output = 1
    case error = 2

    /// Of a program, before anything else: that a reader is gone is an answer of write(2), not a signal; and a stream that whoever
    /// started the program had closed is no number for a socket to get, into which results would be written.
    package static func prepare() {
        signal(SIGPIPE, SIG_IGN)
        while true {
            // Open for reading: what is written to it is refused. The lowest free number is given.
            let number = open("/dev/null", O_RDONLY)
            guard (0...2).contains(number) else {
                if number > 2 { close(number) }
                return
            }
        }
    }

    /// Waits for a slow reader as long as it takes.
    package func write(_ text: String) throws(OutputRefused) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty { rest = rest.dropFirst(try Self.writePiece(rest, to: rawValue, patience: nil)) }
    }

    /// One line for a reader's eyes, where it can be written.
    package func tell(_ line: String) { try? write(line.visible + "\n") }

    /// As much as a pipe that has room takes without blocking.
    ///
    /// - Parameter patience: how long to wait for room; nil: for ever.
    /// - Returns: how many bytes were written.
    static func writePiece(
        _ bytes: ArraySlice<UInt8>, to descriptor: Int32, patience: Duration?,
    ) throws(OutputRefused) -> Int {
        while true {
            var room = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            let milliseconds = patience.map { CInt($0 / .milliseconds(1)) } ?? -1
            guard poll(&room, 1, milliseconds) != 0 else { throw OutputRefused(code: EAGAIN) }
            let piece = Array(bytes.prefix(Int(PIPE_BUF)))
            let count = Glibc.write(descriptor, piece, piece.count)
            if count >= 0 { return count }
            guard errno == EINTR || errno == EAGAIN else { throw OutputRefused(code: errno) }
        }
    }
}

/// Output that could not be written.
package struct OutputRefused: Error, Equatable, CustomStringConvertible {
    package let code: Int32

    /// Its reader is gone, as after `| head`.
    package var isReaderGone: Bool { code == EPIPE }

    package var description: String {
        let reason = code == EAGAIN ? "its reader does not read" : String(cString: strerror(code))
        return "it cannot be written: \(reason); look at where it goes"
    }
}
