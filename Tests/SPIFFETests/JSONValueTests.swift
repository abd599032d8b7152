import SPIFFE
import Testing

@Suite("Strict JSON")
struct JSONValueTests {
    @Test(arguments: [
        #"{"a":1,"a":2}"#, #"{"a":{"b":1,"b":1}}"#, #"{"a":1,"\u0061":2}"#, "", " ", "{", "[1,]", "{\"a\":1,}", "01",
        "+1",
        "1.", ".5", "1e", "tru", "nul", "'a'", "\"\u{1}\"", #""\x""#, #""\ud800""#, #""\udc00\ud800""#, #""\u12""#,
        #""\u+123""#, "[1] x", "\u{FEFF}{}", "NaN", "1e999", "\"abc", "{1:2}", "[1 2]",
        #"{"a"1}"#, #"{"a" 1}"#, "[1", #"{"a":1"#, "trux", "nulx", #"{a":1}"#, #"{"a":1]"#,
    ])
    func `a text that is ambiguous or no JSON is refused`(_ text: String) {
        #expect(throws: JSONError.self) { try JSONValue(parsing: text.utf8) }
    }

    @Test func `bytes that are no UTF-8 are refused`() {
        #expect(throws: JSONError.self) { try JSONValue(parsing: [0x22, 0xC3, 0x28, 0x22]) }
        #expect(throws: JSONError.self) { try JSONValue(parsing: [0x22, 0xED, 0xA0, 0x80, 0x22]) }
    }

    @Test func `nesting ends at sixteen levels`() throws {
        let deep = { (levels: Int) in String(repeating: "[", count: levels) + String(repeating: "]", count: levels) }
        #expect(try JSONValue(parsing: deep(17).utf8).array?.count == 1)
        #expect(throws: JSONError.self) { try JSONValue(parsing: deep(18).utf8) }
        #expect(throws: JSONError.self) { try JSONValue(parsing: deep(100_000).utf8) }
    }

    @Test func `every kind of value is read and written back`() throws {
        let text = #"{"a":[1,-2,1.5,true,false,null],"b":{"c":"\"\\\u0001é😀"},"d":[],"e":{}}"#
        let value = try JSONValue(parsing: text.utf8)
        #expect(value.description == text)
        #expect(try JSONValue(parsing: #" "\u00e9\ud83d\ude00\/\b\f\n\r\t" "#.utf8) == .string("é😀/\u{8}\u{c}\n\r\t"))
    }

    @Test func `whatever a stranger makes of a document, it is refused or reads back as the same`() {
        let text = Array(#"{"a":[1,-2,1.5e3,true,null],"b":{"c":"\"\\\u0001\ud83d\ude00é"},"d":[],"e":{}}"#.utf8)
        var read = 0
        for _ in 0..<3_000 {
            var bytes = text
            for _ in 0...Int.random(in: 0...2) {
                bytes[.random(in: 0..<bytes.count)] = Bool.random() ? text.randomElement() ?? 0 : .random(in: 0...255)
            }
            guard let value = try? JSONValue(parsing: bytes) else { continue }
            read += 1
            #expect((try? JSONValue(parsing: value.description.utf8)) == value, "\(bytes)")
        }
        #expect(read > 20)
    }

    @Test(arguments: UInt8.min...UInt8.max)
    func `any one byte is read or refused, never trapped over`(_ byte: UInt8) {
        let texts: [[UInt8]] = [
            [byte], [0x22, byte], [0x22, 0x5C, byte], [0x7B, byte, 0x7D], [0x5B, byte, 0x5D], [0x2D, byte],
        ]
        for text in texts {
            guard let value = try? JSONValue(parsing: text) else { continue }
            #expect((try? JSONValue(parsing: value.description.utf8)) == value)
        }
    }
}
