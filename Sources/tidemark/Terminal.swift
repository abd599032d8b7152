import ControlPlaneAPI
import Dispatch
import Foundation
import Glibc
import Synchronization

/// The terminal as a screen that is drawn anew: keys are read one by one, and on every way out it is as it was.
final class Terminal: Sendable {
    struct Size: Equatable {
        var columns: Int
        var rows: Int
    }

    /// What to put back; nil once that is done.
    private let before: Mutex<termios?>

    /// nil where standard input or output is no terminal.
    static func interactive() -> Terminal? {
        var settings = termios()
        guard isatty(STDIN_FILENO) == 1, isatty(STDOUT_FILENO) == 1, tcgetattr(STDIN_FILENO, &settings) == 0 else {
            return nil
        }
        let terminal = Terminal(settings)
        terminal.enter(settings)
        return terminal
    }

    private init(_ settings: termios) { before = Mutex(settings) }

    /// Without echo, lines and keys that send signals: Ctrl-C comes as a byte. On the second screen, without a cursor.
    private func enter(_ settings: termios) {
        var raw = settings
        raw.c_lflag &= ~tcflag_t(ECHO | ICANON | ISIG)
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw)
        Self.write("\u{1b}[?1049h\u{1b}[?25l")
        for number in [SIGINT, SIGTERM, SIGHUP] { Self.onSignal(number) { [weak self] in self?.leave(number) } }
    }

    func restore() {
        before.withLock { before in
            guard var settings = before else { return }
            Self.write("\u{1b}[?25h\u{1b}[?1049l")
            tcsetattr(STDIN_FILENO, TCSAFLUSH, &settings)
            before = nil
        }
    }

    /// 80 columns and 24 rows where the terminal does not say.
    var size: Size {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
            return Size(columns: 80, rows: 24)
        }
        return Size(columns: Int(size.ws_col), rows: Int(size.ws_row))
    }

    /// From the top left corner, with what was there before wiped out.
    func draw(_ page: Page) {
        let lines = page.lines.map { $0 + "\u{1b}[K" }
        before.withLock { before in
            // Once the terminal is put back it is not ours to draw on.
            if before != nil { Self.write("\u{1b}[H" + lines.joined(separator: "\r\n") + "\u{1b}[J") }
        }
    }

    /// Waits so many seconds, less where q or Ctrl-C is typed, or standard input ends.
    func quits(within seconds: Double) async -> Bool {
        await withCheckedContinuation { told in
            DispatchQueue.global().async { told.resume(returning: Self.isQuitTyped(within: seconds)) }
        }
    }

    private static func isQuitTyped(within seconds: Double) -> Bool {
        let clock = ContinuousClock()
        let end = clock.now + .seconds(seconds)
        while clock.now < end {
            var input = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
            let left = (end - clock.now) / .milliseconds(1)
            guard poll(&input, 1, CInt(max(left.rounded(.up), 1))) > 0 else { continue }
            var key: UInt8 = 0
            guard read(STDIN_FILENO, &key, 1) == 1 else { return true }
            if [UInt8(ascii: "q"), UInt8(ascii: "Q"), controlC].contains(key) { return true }
        }
        return false
    }

    private static let controlC: UInt8 = 3

    /// With the exit code a shell shows of a program that a signal ended.
    private func leave(_ number: CInt) {
        restore()
        _exit(128 + number)
    }

    private static func onSignal(_ number: CInt, _ body: @escaping @Sendable () -> Void) {
        signal(number, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
        source.setEventHandler { body() }
        source.setCancelHandler { _ = source }
        source.activate()
    }

    private static func write(_ text: String) {
        // A terminal that is gone ends the program by its own signal.
        try? StandardStream.output.write(text)
    }
}
