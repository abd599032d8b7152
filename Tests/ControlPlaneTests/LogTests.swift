import ControlPlaneAPI
import Foundation
import Glibc
import Limits
import Logging
import Testing

@Suite("Logs of the daemons")
struct LogTests {
    init() { StandardStream.prepare() }

    /// The two ends of a pipe, closed at its end of life.
    private final class Pipe {
        private(set) var reader: Int32 = -1
        private(set) var writer: Int32 = -1

        init() {
            var ends: [Int32] = [-1, -1]
            #expect(pipe(&ends) == 0)
            (reader, writer) = (ends[0], ends[1])
        }

        deinit {
            closeReader()
            close(writer)
        }

        func closeReader() {
            if reader >= 0 { close(reader) }
            reader = -1
        }

        /// What is in it now.
        var text: String {
            var bytes = [UInt8](repeating: 0, count: 1 << 20)
            let count = read(reader, &bytes, bytes.count)
            return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
        }
    }

    private let hostile = "x\n2026-01-01T00:00:00Z info tidemarkd: [Agent] allowed\u{1b}[1A\u{202e}\u{9b}"

    @Test func `one event is one line of seen characters, in text`() {
        let pipe = Pipe()
        let logger = LogSettings(format: .text).logger(label: "tidemarkd", descriptor: pipe.writer)
        logger.warning("refused: \(hostile)", metadata: ["argv": "\(hostile)", "b": "c"])
        let lines = pipe.text.split(separator: "\n")
        #expect(lines.count == 1)
        #expect(lines[0].contains(#"argv="x\x0a2026-01-01T00:00:00Z info"#) && lines[0].contains(" b=c ["))
        #expect(lines[0].hasSuffix(#"allowed\x1b[1A\xe2\x80\xae\xc2\x9b"#))
        #expect(lines[0].utf8.allSatisfy { (0x20...0x7e).contains($0) })
    }

    @Test func `and in JSON, which says what was said`() throws {
        let pipe = Pipe()
        let logger = LogSettings(format: .json).logger(label: "tidemarkd", descriptor: pipe.writer)
        logger.warning("refused: \(hostile)", metadata: ["argv": "\(hostile)"])
        let lines = pipe.text.split(separator: "\n")
        #expect(lines.count == 1 && lines[0].utf8.allSatisfy { (0x20...0x7e).contains($0) })
        let members = try JSONDecoder().decode([String: String].self, from: Data(lines[0].utf8))
        #expect(members["message"] == "refused: \(hostile)" && members["argv"] == hostile)
    }

    @Test(arguments: [LogSettings.Format.text, .json])
    func `a message without end is cut`(_ format: LogSettings.Format) {
        let pipe = Pipe()
        let logger = LogSettings(format: format).logger(label: "tidemarkd", descriptor: pipe.writer)
        logger.info(
            "\(String(repeating: "é", count: 100_000))", metadata: ["a": "\(String(repeating: "b", count: 100_000))"])
        let text = pipe.text
        #expect(text.utf8.count < 2 * Limits.Log.textBytes + 1000 && text.contains("(cut)") && text.hasSuffix("\n"))
    }

    @Test(arguments: [LogSettings.Format.text, .json])
    func `a reader that is gone, and a full disk, cost lines and nothing else`(_ format: LogSettings.Format) {
        let gone = Pipe()
        gone.closeReader()
        let full = open("/dev/full", O_WRONLY)
        defer { close(full) }
        for descriptor in [gone.writer, full, -1] {
            let logger = LogSettings(format: format).logger(label: "tidemarkd", descriptor: descriptor)
            for number in 0..<100 { logger.error("line \(number)") }
        }
    }

    @Test func `lost lines are counted, and told when somebody reads again`() {
        let pipe = Pipe()
        let stream = LogStream(descriptor: pipe.writer) { count, reason in "\(count) lost: \(reason)\n" }
        // A pipe holds 64 KiB.
        let line = String(repeating: "x", count: 999) + "\n"
        for _ in 0..<200 { stream.write(line) }
        let lost = stream.lost
        #expect(lost > 0 && lost < 200)
        _ = pipe.text
        stream.write("after\n")
        let lines = pipe.text.split(separator: "\n")
        #expect(
            lines.suffix(2).first
                == "\(lost) lost: it cannot be written: its reader does not read; look at where it goes")
        #expect(lines.last == "after")
        #expect(stream.lost == lost)
        stream.write("later\n")
        #expect(pipe.text == "later\n")
    }
}
