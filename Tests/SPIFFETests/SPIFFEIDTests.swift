import SPIFFE
import Testing

@Suite("SPIFFE ID")
struct SPIFFEIDTests {
    @Test(arguments: UInt8.min...UInt8.max)
    func `a trust domain accepts exactly the standard's characters`(_ byte: UInt8) {
        let allowed = "abcdefghijklmnopqrstuvwxyz0123456789.-_".utf8.contains(byte)
        let name = "a\(Unicode.Scalar(byte))b"
        #expect(((try? TrustDomain(name)) != nil) == allowed)
    }

    @Test(arguments: UInt8.min...UInt8.max)
    func `a path segment accepts exactly the standard's characters`(_ byte: UInt8) {
        let scalar = Unicode.Scalar(byte)
        let separator = scalar == "/"
        let allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_".utf8.contains(byte)
        #expect(((try? SPIFFEID("spiffe://td/a\(scalar)b")) != nil) == (allowed || separator))
    }

    @Test(arguments: [
        "", "spiffe://", "spiffe:///x", "spiffe://td", "spiffe://td/", "spiffe://td//x", "spiffe://td/x/",
        "spiffe://td/x//y", "spiffe://td/./x", "spiffe://td/../x", "spiffe://td/x/..", "spiffe://td/%41",
        "spiffe://td/x?y", "spiffe://td/x#y", "spiffe://TD/x", "spiffe://td:80/x", "spiffe://u@td/x",
        "spiffe://t%64/x", "http://td/x", "SPIFFE://td/x", "spiffe:/td/x", "//td/x", "td/x", " spiffe://td/x",
        "spiffe://td/x ", "spiffe://td/\u{FF41}", "spiffe://d\u{00F6}main/x", "spiffe://td/x\u{0}", "spiffe://td/*",
        "spiffe://td/a\u{301}",
    ])
    func `a text that is no SPIFFE ID is refused`(_ text: String) {
        #expect(throws: SPIFFEIDError.self) { try SPIFFEID(text) }
    }

    @Test func `whatever a stranger makes of an ID, it is refused or spelled as it was written`() {
        let pieces = ["spiffe://", "td", "/", "//", ".", "..", "a", "Z", "%2e", "?", "#", ":", "@", "\0", "ä", " "]
        for _ in 0..<5_000 {
            let text = "spiffe://td/" + (0...Int.random(in: 0...6)).map { _ in pieces.randomElement() ?? "" }.joined()
            guard let id = try? SPIFFEID(text) else { continue }
            #expect(id.description == text)
            let segments = id.description.dropFirst("spiffe://td/".count).split(
                separator: "/", omittingEmptySubsequences: false)
            #expect(segments.allSatisfy { !["", ".", ".."].contains($0) }, "\(text)")
        }
    }

    @Test func `two thousand and forty-eight bytes are accepted and one more is not`() throws {
        let stem = "spiffe://td/"
        let longest = stem + String(repeating: "a", count: 2048 - stem.utf8.count)
        #expect(try SPIFFEID(longest).description == longest)
        #expect(throws: SPIFFEIDError.tooLong(bytes: 2049)) { try SPIFFEID(longest + "a") }
    }

    @Test func `a trust domain of 255 bytes is accepted and one more is not`() throws {
        let longest = String(repeating: "d", count: 255)
        #expect(try SPIFFEID("spiffe://\(longest)/x").trustDomain.name == longest)
        #expect(throws: SPIFFEIDError.trustDomainTooLong(bytes: 256)) { try SPIFFEID("spiffe://\(longest)d/x") }
    }

    @Test func `the path keeps its case and tells IDs apart`() throws {
        #expect(try SPIFFEID("spiffe://td/A") != SPIFFEID("spiffe://td/a"))
    }
}
