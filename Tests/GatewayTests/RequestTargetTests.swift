import Gateway
import Testing

@Suite("Request target") struct RequestTargetTests {
    @Test(arguments: [
        ("/", "/"), ("/mcp", "/mcp"), ("/mcp/", "/mcp/"), ("/mcp?x=/../%2e", "/mcp"),
        ("/a/b.c/~d_e-f", "/a/b.c/~d_e-f"),
        ("/caf%C3%A9", "/caf%C3%A9"), ("/a%20b", "/a%20b"), ("/...", "/..."), ("/a..b", "/a..b"),
    ])
    func `a plain path passes as it is`(_ target: String, _ path: String) throws {
        #expect(try RequestTarget(target).path == path)
    }

    @Test(arguments: [
        "", "*", "mcp", "http://h/mcp", "h:80", "?", "//mcp", "/a//b", "/a///", "/./mcp", "/a/.", "/a/..", "/../a",
        "/a/../b", "/%2e%2e/a", "/%2E/a", "/a%2fb", "/a%2Fb", "/a%5cb", "/a\\b", "/a;b", "/a%3bb", "/%6dcp", "/%7e",
        "/a%00", "/a%0d%0a", "/a%7f", "/a%", "/a%2", "/a%zz", "/a%252e", "/a b", "/a\tb", "/a\u{7f}", "/é", "/a#b",
        "/a?b#c", "/a?\r\n",
    ])
    func `a path servers could read in different ways is refused`(_ target: String) {
        #expect { _ = try RequestTarget(target) } throws: { ($0 as? Refusal)?.status == 400 }
    }

    @Test(arguments: UInt8.min...UInt8.max)
    func `an escape passes only where decoding it changes no path`(_ byte: UInt8) {
        let hex = String(byte, radix: 16)
        let target = "/a%" + (hex.count == 1 ? "0" : "") + hex
        let isHarmless = byte > 0x7f || " !\"#$&'()*+,:<=>?@[]^`{|}".utf8.contains(byte)
        #expect(((try? RequestTarget(target)) != nil) == isHarmless)
    }
}
