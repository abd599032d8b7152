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

    @Test(arguments: ["tidemark/server", "tidemark/agent/g/host-a"])
    func `without allowedSPIFFEIDs the control plane and agents are let in nowhere`(_ path: String) throws {
        let policy = PeerPolicy(trustDomain: try TrustDomain("td"))
        #expect(!policy.decision(for: try SPIFFEID("spiffe://td/\(path)"), issuedAt: IssueTime(seconds: 1)).isAllowed)
        #expect(
            policy.decision(for: try SPIFFEID("spiffe://td/tidemark-like"), issuedAt: IssueTime(seconds: 1)).isAllowed)
    }

    @Test func `a peer is decided by withdrawal first, then by the list, then by trust domain`() throws {
        let domain = try TrustDomain("td")
        let (mine, foreign) = (try SPIFFEID("spiffe://td/a"), try SPIFFEID("spiffe://other/a"))
        let open = PeerPolicy(trustDomain: domain)
        #expect(open.decision(for: mine, issuedAt: IssueTime(seconds: 1)).isAllowed)
        #expect(!open.decision(for: foreign, issuedAt: IssueTime(seconds: 1)).isAllowed)
        let listed = PeerPolicy(trustDomain: domain, allowed: [try SPIFFEIDPattern("spiffe://other/*")])
        #expect(listed.decision(for: foreign, issuedAt: IssueTime(seconds: 1)).isAllowed)
        #expect(!listed.decision(for: mine, issuedAt: IssueTime(seconds: 1)).isAllowed)
        let nobody = PeerPolicy(trustDomain: domain, allowed: [])
        #expect(!nobody.decision(for: mine, issuedAt: IssueTime(seconds: 1)).isAllowed)
        let cut = PeerPolicy(trustDomain: domain, allowed: [try SPIFFEIDPattern("spiffe://td/*")], withdrawn: [mine])
        #expect(!cut.decision(for: mine, issuedAt: IssueTime(seconds: 1)).isAllowed)
    }
}
