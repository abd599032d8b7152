import Testing

@testable import Workloads

@Suite("Bytes as text")
struct NamedBytesTests {
    @Test(arguments: 0...255)
    func `every byte, alone and beside what could be an escape, comes back`(_ value: Int) {
        let byte = UInt8(value)
        for bytes in [
            [byte], [0x5c, byte], [0x5c, 0x78, byte], Array(#"\xf"#.utf8) + [byte], [byte] + Array(#"\xff"#.utf8),
        ] {
            #expect(String(naming: bytes).namedBytes == bytes)
        }
    }

    @Test func `two names are two texts`() {
        let alphabet: [UInt8] = [0x5c, 0x78, 0x66, 0x38, 0xff, 0xc3, 0xa9, 0xe2, 0x80, 0xae, 0x0a]
        var generator = SplitMix(state: 16)
        var names: [String: [UInt8]] = [:]
        for _ in 0..<20_000 {
            let bytes = generator.some(generator.next(7)) { $0.one(of: alphabet) }
            let text = String(naming: bytes)
            #expect(text.namedBytes == bytes)
            if let other = names.updateValue(bytes, forKey: text) { #expect(other == bytes) }
        }
    }

    @Test func `only what is not UTF-8 is escaped`() {
        #expect(String(naming: Array("café ☕".utf8)) == "café ☕")
        #expect(String(naming: [0x63, 0xe9, 0x0a]) == "c\\xe9\n")
        #expect(String(naming: [0xed, 0xa0, 0x80]) == #"\xed\xa0\x80"#)
        #expect(String(naming: Array(#"C:\temp\x"#.utf8)) == #"C:\temp\x"#)
        #expect(String(naming: Array(#"\xff"#.utf8)) == #"\x5cxff"#)
    }

    @Test func `a unit as systemd spells it stands for itself`() {
        let unit = #"system-dev\x2ddisk.service"#
        #expect(String(naming: Array(unit.utf8)) == unit)
        #expect(unit.namedBytes == Array(unit.utf8))
    }

    private func facts(name: [UInt8], arguments: [[UInt8]] = []) -> ProcessFacts {
        ProcessFacts(
            key: ProcessKey(pid: 7, startTime: 1), userID: 1001, realUserID: 1001, groupID: 1001,
            name: String(naming: name), arguments: arguments.map { String(naming: $0) },
            executable: .init(path: "/usr/bin/x", device: 1, inode: 1))
    }

    private func selector(_ key: SelectorKey, _ text: String) throws -> Selector {
        Selector(conditions: [key: Condition(anyOf: [try SelectorValue(text, for: key).pattern])])
    }

    @Test func `a selector names bytes that are not UTF-8`() throws {
        let process = facts(name: [0x63, 0xe9], arguments: [[0x61, 0xff], [0x62]])
        #expect(try selector(.name, #"c\xe9"#).matches(process))
        #expect(try selector(.name, #"c\xE9"#).matches(process))
        #expect(throws: SelectorValue.Mistake.self) { try selector(.name, "c\u{fffd}") }
        #expect(try !selector(.name, "cé").matches(process))
        #expect(try selector(.commandLine, #"a\xff b"#).matches(process))
        #expect(try selector(.argument(0), #"a\xff"#).matches(process))
    }

    @Test func `a prefix is one of bytes, also within a character`() throws {
        #expect(try selector(.name, #"caf\xc3*"#).matches(facts(name: Array("café".utf8))))
        #expect(try !selector(.name, #"caf\xc3*"#).matches(facts(name: Array("caf".utf8))))
        // A backslash is no beginning of the byte that its escape stands for.
        #expect(try !selector(.argument(0), #"a\x5c*"#).matches(facts(name: [], arguments: [[0x61, 0xff]])))
        #expect(try selector(.argument(0), #"a\x5c*"#).matches(facts(name: [], arguments: [Array(#"a\b"#.utf8)])))
    }

    @Test func `bytes are counted, not their spelling`() throws {
        let name = String(repeating: #"\xff"#, count: 15)
        #expect(try SelectorValue(name, for: .name).pattern == .text(name))
        #expect(throws: SelectorValue.Mistake.self) { try SelectorValue(name + "a", for: .name) }
    }

    @Test func `no selector has a NUL in it`() {
        #expect(throws: SelectorValue.Mistake.self) { try SelectorValue(#"a\x00"#, for: .name) }
        #expect(throws: SelectorValue.Mistake.self) { try SelectorValue(#"a b\x00"#, for: .commandLine) }
    }

    @Test func `what a manifest says comes out as it was written, and means the same`() throws {
        let value = try SelectorValue(#"c\xE9"#, for: .name)
        #expect(value.text == #"c\xE9"#)
        #expect(value.pattern == (try SelectorValue(#"c\xe9"#, for: .name).pattern))
    }
}
