import SPIFFE
import Testing

@Suite("SPIFFE ID pattern and peer policy")
struct SPIFFEIDPatternTests {
    @Test(arguments: [
        ("spiffe://example.org/client/*", "spiffe://example.org/client", false),
        ("spiffe://example.org/client/*", "spiffe://example.org/client123", false),
        ("spiffe://example.org/client/*", "spiffe://example.org/client/123", true),
        ("spiffe://example.org/client/*", "spiffe://example.org/client/a/b", true),
        ("spiffe://example.org/client/*", "spiffe://example.org/Client/a", false),
        ("spiffe://example.org/client/*", "spiffe://example.org.evil/client/a", false),
        ("spiffe://example.org/*", "spiffe://example.org/a", true),
        ("spiffe://example.org/*", "spiffe://example.org/a/b/c", true),
        ("spiffe://example.org/*", "spiffe://example.orga/b", false),
        ("spiffe://example.org/a", "spiffe://example.org/a", true),
        ("spiffe://example.org/a", "spiffe://example.org/a/b", false),
        ("spiffe://example.org/a", "spiffe://example.org/A", false),
    ])
    func `a wildcard stands for whole segments below its path`(_ pattern: String, _ id: String, _ matches: Bool) throws
    {
        #expect(try SPIFFEIDPattern(pattern).matches(SPIFFEID(id)) == matches)
    }

    @Test(arguments: [
        "spiffe://td*", "spiffe://td/a*", "spiffe://td/*/b", "spiffe://*/a", "spiffe://*", "*", "", "spiffe://td/a/**",
        "spiffe://td/a/*/", "spiffe://td//*", "spiffe:///*", "spiffe://TD/*", "http://td/*", "spiffe://td",
    ])
    func `a star anywhere else makes no pattern`(_ text: String) {
        #expect(throws: SPIFFEIDError.self) { try SPIFFEIDPattern(text) }
    }
}
