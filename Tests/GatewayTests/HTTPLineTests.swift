import Testing

@testable import Gateway

/// RFC 9112, line by line: what passes, and what is refused by which rule.
@Suite("Lines of HTTP/1.1")
struct HTTPLineTests {
    private func refusal(_ read: () throws -> some Any) throws -> Refusal {
        try #require(throws: Refusal.self) { _ = try read() }
    }

    private static func bytes(_ text: String) -> ArraySlice<UInt8> { HTTPLine.bytes(text)[...] }

    @Test(arguments: [("GET", "/mcp", 1), ("M-SEARCH", "*", 0), ("PRI!#$%&'*+.^_`|~", "/\u{e9}?a=%2F", 1)])
    func `a request line is a method, a target and a version`(_ method: String, _ target: String, _ minor: Int) throws {
        let request = try HTTPLine.request(Self.bytes("\(method) \(target) HTTP/1.\(minor)"))
        #expect(request == HTTPLine.Request(method: method, target: target, minorVersion: minor))
    }

    @Test(arguments: [
        ("GET /mcp", "one space between"), ("GET  /mcp HTTP/1.1", "one space between"),
        ("GET /mcp HTTP/1.1 ", "one space between"), ("GET /a b HTTP/1.1", "one space between"),
        (" GET /mcp HTTP/1.1", "one space between"), ("", "one space between"), ("GE\tT /mcp HTTP/1.1", "no token"),
        ("G(T) /mcp HTTP/1.1", "no token"), (" /mcp HTTP/1.1", "no token"), ("GET  HTTP/1.1", "target is empty"),
        ("GET /a\tb HTTP/1.1", "control character"), ("GET /a\u{7f} HTTP/1.1", "control character"),
        ("GET /a\0 HTTP/1.1", "control character"), ("GET /a\rb HTTP/1.1", "control character"),
        ("GET /mcp HTTP/2.0", "only HTTP/1.0 and HTTP/1.1"), ("GET /mcp HTTP/1.2", "only HTTP/1.0 and HTTP/1.1"),
        ("GET /mcp http/1.1", "no version"), ("GET /mcp HTTP1.1", "no version"),
    ])
    func `any other request line is refused, with the rule`(_ line: String, _ rule: String) throws {
        let refusal = try refusal { try HTTPLine.request(Self.bytes(line)) }
        #expect(refusal.reason.contains(rule))
        #expect(refusal.status == (rule.hasPrefix("only") ? 505 : 400))
    }

    @Test(arguments: [
        ("HTTP/1.1 200 OK", 1, 200, "OK"), ("HTTP/1.0 404 Not  Found", 0, 404, "Not  Found"),
        ("HTTP/1.1 204 ", 1, 204, ""), ("HTTP/1.1 204", 1, 204, ""), ("HTTP/1.1 599 \u{e9}\t!", 1, 599, "\u{e9}\t!"),
    ])
    func `a status line is a version, three digits and a reason`(
        _ line: String, _ minor: Int, _ code: Int, _ reason: String,
    ) throws {
        let status = try HTTPLine.status(Self.bytes(line))
        #expect(status == HTTPLine.Status(minorVersion: minor, code: code, reason: reason))
    }

    @Test(arguments: [
        ("HTTP/1.1", "no status"), ("", "no status"), ("HTTP/1.1 20 OK", "three digits"),
        ("HTTP/1.1 2000 OK", "three digits"), ("HTTP/1.1 +20 OK", "three digits"),
        ("HTTP/1.1 099 OK", "three digits"), ("HTTP/1.1  200 OK", "three digits"),
        ("HTTP/1.1 200 O\rK", "control character"), ("HTTP/1.1 200 O\u{7f}", "control character"),
        ("HTTP/3 200 OK", "only HTTP/1.0 and HTTP/1.1"), ("ICY 200 OK", "no version"),
    ])
    func `any other status line is refused, with the rule`(_ line: String, _ rule: String) throws {
        #expect(try refusal { try HTTPLine.status(Self.bytes(line)) }.reason.contains(rule))
    }

    @Test(arguments: [
        ("A: b", "A", "b"), ("A:b", "A", "b"), ("A: \t b \t", "A", "b"), ("A:", "A", ""), ("A: \t", "A", ""),
        ("A: b: c", "A", "b: c"), ("A: caf\u{e9}", "A", "caf\u{e9}"), ("A: b\tc", "A", "b\tc"),
    ])
    func `a header is a token, a colon and a value without the white space around it`(
        _ line: String, _ name: String, _ value: String,
    ) throws {
        let (read, told) = try HTTPLine.field(Self.bytes(line))
        #expect(read == name && told == value)
    }

    @Test(arguments: [
        (" A: b", "folded"), ("\tA: b", "folded"), ("", "folded"), ("A b", "no colon"), (": b", "no token"),
        ("A : b", "white space is before its colon"), ("A\t: b", "no token"), ("A\u{e9}: b", "no token"),
        ("A(: b", "no token"), ("A: b\0", "control character"), ("A: b\u{7f}c", "control character"),
        ("A: b\rX: c", "control character"), ("A: b\u{1b}[2J", "control character"),
    ])
    func `any other header is refused, with the rule`(_ line: String, _ rule: String) throws {
        #expect(try refusal { try HTTPLine.field(Self.bytes(line)) }.reason.contains(rule))
    }

    @Test(arguments: [
        ("0", 0), ("a", 10), ("Ff", 255), ("000000000000010", 16), ("10;x=y", 16), ("10 ;x", 16), ("10\t", 16),
        ("fffffffffffffff", (1 << 60) - 1),
    ])
    func `a chunk's size is hexadecimal, with or without an extension`(_ line: String, _ size: Int) throws {
        #expect(try HTTPLine.chunkSize(Self.bytes(line)) == size)
    }

    @Test(arguments: [
        "", ";x", " 10", "-1", "+1", "0x10", "10x", "10 20", "1_0", "0000000000000010", "ffffffffffffffff", "10;a\rb",
        "10;\u{7f}", "\u{ff11}",
    ])
    func `any other size of a chunk is refused`(_ line: String) throws {
        #expect(try refusal { try HTTPLine.chunkSize(Array(line.utf8)[...]) }.reason.contains("not hexadecimal"))
    }

    @Test func `every byte goes there and back`() {
        let all = (UInt8.min...UInt8.max).map(\.self)
        #expect(HTTPLine.bytes(HTTPLine.text(all)) == all)
        #expect(HTTPLine.bytes("a\u{20ac}") == Array("a?".utf8))
    }
}
