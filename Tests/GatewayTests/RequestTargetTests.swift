import Gateway
import Testing

@Suite("Request target") struct RequestTargetTests {
    @Test(arguments: [
        ("/", "/"), ("/mcp", "/mcp"), ("/mcp/", "/mcp/"), ("/mcp?x=/../%2e", "/mcp"),
        ("/a/b.c/~d_e-f", "/a/b.c/~d_e-f"),
        ("/caf%C3%A9", "/caf%C3%A9"), ("/a%20b", "/a%20b"), ("/...", "/..."), ("/mcp?next=%2Fa%2f..", "/mcp"),
        ("/a:b@c!d", "/a:b@c!d"), ("/%7Ba%7D", "/%7Ba%7D"), ("/a..b", "/a..b"),
    ])
    func `a plain path passes as it is`(_ target: String, _ path: String) throws {
        #expect(try RequestTarget(target).path == path)
    }

    @Test(arguments: [
        "", "*", "mcp", "http://h/mcp", "h:80", "?", "//mcp", "/a//b", "/a///", "/./mcp", "/a/.", "/a/..", "/../a",
        "/a/../b", "/%2e%2e/a", "/%2E/a", "/a%2fb", "/a%2Fb", "/a%5cb", "/a\\b", "/a;b", "/a%3bb", "/%6dcp", "/%7e",
        "/a%00", "/a%0d%0a", "/a%7f", "/a%", "/a%2", "/a%zz", "/a%252e", "/a b", "/a\tb", "/a\u{7f}", "/é", "/a#b",
        "/a?b#c", "/a?\r\n", "/caf%c3%a9", "/a%3A", "/a%21", "/a%C3", "/a%C0%AF", "/a\"", "/a|b", "/a<b>", "/[a]",
    ])
    func `a path servers could read in different ways is refused`(_ target: String) {
        #expect { _ = try RequestTarget(target) } throws: { ($0 as? Refusal)?.status == 400 }
    }

    @Test(arguments: UInt8.min...UInt8.max)
    func `an escape passes only where the character needs one and no server takes it for another path`(_ byte: UInt8) {
        let hex = String(byte, radix: 16, uppercase: true)
        let target = "/a%" + (hex.count == 1 ? "0" : "") + hex
        // Alone, a byte beyond ASCII is no UTF-8.
        let isNeeded = " \"#<>?[]^`{|}".utf8.contains(byte)
        #expect(((try? RequestTarget(target)) != nil) == isNeeded)
    }

    @Test(arguments: UInt8(0x21)...UInt8(0x7e))
    func `a character stands as itself exactly where its escape is refused as needless`(_ byte: UInt8) {
        let bare = "/a" + String(decoding: [byte], as: UTF8.self)
        let escaped = "/a%" + String(byte, radix: 16, uppercase: true)
        let (isBare, isEscaped) = ((try? RequestTarget(bare)) != nil, (try? RequestTarget(escaped)) != nil)
        if byte == UInt8(ascii: "?") || byte == UInt8(ascii: "/") { return }
        // RFC 3986, section 3.3, without `;`, which some servers cut paths at.
        let letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        #expect(isBare == (letters + "-._~!$&'()*+,=:@").utf8.contains(byte))
        #expect(!(isBare && isEscaped), "two spellings of one path")
    }

    @Test func `two targets that any decoder takes for one path are one spelling, or one is refused`() {
        var random = SystemRandomNumberGenerator()
        var paths: [String: String] = [:]
        for _ in 0..<20_000 {
            let target = "/" + (0..<Int.random(in: 0...6)).map { _ in Self.piece(&random) }.joined()
            guard let path = (try? RequestTarget(target))?.path else { continue }
            // What a server makes of it at most: decoded twice, merged, resolved, parameters cut, backslashes turned.
            let read = Self.decoded(Self.decoded(path)).replacing("\\", with: "/")
            #expect(
                read.split(separator: "/", omittingEmptySubsequences: false).dropFirst().dropLast().allSatisfy {
                    !$0.isEmpty
                })
            #expect(!read.split(separator: "/").contains { $0 == "." || $0 == ".." } && !read.contains(";"))
            #expect(read.filter { $0 == "/" }.count == path.filter { $0 == "/" }.count)
            if let other = paths.updateValue(path, forKey: read) { #expect(other == path, "\(other) and \(path)") }
        }
        #expect(paths.count > 1000)
    }

    @Test(arguments: ["/mcp/admin%3Areset", "/mcp/admin%3areset", "/mcp/%61dmin:reset", "/mcp//admin:reset"])
    func `another spelling of a resource's path is not let by as something else`(_ target: String) {
        #expect(throws: Refusal.self) { try RequestTarget(target) }
    }

    private static func piece(_ random: inout SystemRandomNumberGenerator) -> String {
        let pieces = [
            "a", "B", "~", "-", ":", "@", "!", "/", "/", ".", "..", "%2F", "%2f", "%3A", "%41", "%C3%A9", "%c3%a9",
            "%20", "%25",
            "%2E", ";", "\\", "%5C", "\"", "%22", "%C0%AF", "%00", "+", "é", "%E2%80%8B", "|", "%7C", "=", ",",
        ]
        return pieces.randomElement(using: &random) ?? ""
    }

    /// RFC 3986's percent-decoding, by the book.
    private static func decoded(_ text: String) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            let digits = String(decoding: rest.prefix(2), as: UTF8.self)
            if byte == UInt8(ascii: "%"), digits.count == 2, let value = UInt8(digits, radix: 16) {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
