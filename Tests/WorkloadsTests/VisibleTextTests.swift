import Foundation
import Testing

@testable import Workloads

@Suite("Text for a reader's eyes")
struct VisibleTextTests {
    /// C0, DEL, C1, line ends of Unicode, bidirectional and other format controls, blanks that are no blank, nothing at all.
    static let unseen: [ClosedRange<UInt32>] = [
        0x00...0x1f, 0x7f...0xa0, 0xad...0xad, 0x61c...0x61c, 0x115f...0x1160, 0x180b...0x180e, 0x2000...0x200f,
        0x2028...0x202f, 0x205f...0x206f, 0x3000...0x3000, 0x3164...0x3164, 0xfe00...0xfe0f, 0xfeff...0xfeff,
        0xfff9...0xfffb, 0xe000...0xe000, 0xe0000...0xe007f, 0xe0100...0xe01ef, 0x10ffff...0x10ffff,
    ]

    @Test func `whatever is not seen stands as its bytes`() {
        for scalar in Self.unseen.joined().compactMap(Unicode.Scalar.init) {
            let shown = "a\(scalar)b".visible
            #expect(shown.utf8.allSatisfy { (0x20...0x7e).contains($0) }, "U+\(String(scalar.value, radix: 16))")
            #expect(shown.namedBytes == Array("a\(scalar)b".utf8))
        }
    }

    @Test func `letters, marks and signs stay`() {
        for text in ["python mcp_server.py --x='1' \\ \"y\"", "café e\u{301}", "天気 ☕ Ελλάδα עברית", #"a\xffb"#] {
            #expect(text.visible == text)
        }
    }

    @Test func `lines cannot be forged, nor the cursor moved`() {
        #expect("x\nidentity    spiffe://d/root\r\u{1b}[2K".visible == #"x\x0aidentity    spiffe://d/root\x0d\x1b[2K"#)
        #expect("x\u{85}\u{9b}31m".visible == #"x\xc2\x85\xc2\x9b31m"#)
        #expect("evil\u{202e}txt.exe".visible == #"evil\xe2\x80\xaetxt.exe"#)
    }

    @Test func `twice is once`() {
        let shown = "a\u{1b}\\x1b".visible
        #expect(shown.visible == shown)
    }

    @Test func `JSON says the same without unseen characters in it`() throws {
        let texts = Self.unseen.joined().compactMap(Unicode.Scalar.init).map { "a\($0)b" } + ["é", "😀", "\\u0041"]
        let encoder = JSONEncoder()
        encoder.outputFormatting = .prettyPrinted
        let json = String(decoding: try encoder.encode(texts), as: UTF8.self).visibleJSON
        #expect(!json.split(separator: "\n").contains { $0.hasUnseen })
        #expect(json.contains("é"))
        #expect(try JSONDecoder().decode([String].self, from: Data(json.utf8)) == texts)
    }
}
