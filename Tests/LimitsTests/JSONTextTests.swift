import Foundation
import Limits
import Testing

@Suite struct JSONTextTests {
    @Test(arguments: 0...0x2fff)
    func `no scalar takes more bytes in JSON than counted`(_ value: Int) throws {
        guard let scalar = Unicode.Scalar(value) else { return }
        let text = String(Character(scalar))
        let encoder = JSONEncoder()
        #expect(try encoder.encode(text).count - 2 <= text.jsonBytes)
    }

    @Test func `a text is cut by the bytes it takes, not by its characters`() {
        let long = "e" + String(repeating: "\u{301}", count: 1000)
        #expect(long.count == 1)
        for text in [long, String(repeating: "\u{1}", count: 300), String(repeating: "😀", count: 99), "\"\\/\n"] {
            for maximum in [3, 4, 7, 64, 100] {
                let cut = text.cut(toJSONBytes: maximum)
                #expect(cut.jsonBytes <= maximum)
                #expect(cut == text || cut.hasSuffix("…"))
            }
        }
        #expect("short".cut(toJSONBytes: 5) == "short")
    }

    @Test func `an escape of a byte is cut as a whole`() {
        let names = String(repeating: "\\xff", count: 20)
        for maximum in 10...40 {
            let cut = names.cut(toJSONBytes: maximum)
            #expect(cut.dropLast().count.isMultiple(of: 4) && cut.hasSuffix("…") && cut.jsonBytes <= maximum)
        }
    }

    @Test func `a list is cut by the bytes of all its texts`() {
        let words = Array(repeating: "w", count: 4000)
        let cut = words.cut(toJSONBytes: 1000)
        #expect(cut.reduce(0) { $0 + $1.jsonBytes + 3 } <= 1010)
        #expect(cut.last == "…")
        #expect(["a", "b"].cut(toJSONBytes: 100) == ["a", "b"])
    }
}
