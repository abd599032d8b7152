import Gateway
import Testing

@Suite("Header hygiene") struct HeaderHygieneTests {
    @Test(arguments: [
        "Authorization", "AUTHORIZATION", "X-Tidemark-Peer", "x_tidemark_peer", "X-Tidemark_Peer",
        "X-Tidemark-Anything",
        "X.Tidemark.Peer", "X-SPIFFE-ID", "X_Spiffe_Id", "X-Forwarded-Client-Cert", "x_forwarded_client_cert",
        "X-SSL-Client-Cert", "X-SSL-Client-Verify", "SSL-Client-Cert", "DPoP", "Txn-Token", "Workload-Identity-Token",
        "Workload-Proof-Token", "OAuth-Client-Attestation", "OAuth-Client-Attestation-PoP", "Client-Cert",
        "Client-Cert-Chain", "Connection", "Keep-Alive", "Upgrade", "TE", "Proxy-Authorization", "Proxy-Connection",
        "HTTP2-Settings",
    ])
    func `nobody may bring this header`(_ name: String) {
        let left = HeaderHygiene.request([("Host", "h"), (name, "one"), ("Accept", "*/*"), (name, "two")])
        #expect(left.map(\.name) == ["Host", "Accept"])
    }

    @Test(arguments: [
        "Host", "Accept", "Content-Type", "Content-Length", "Transfer-Encoding", "Expect", "Mcp-Session-Id",
        "Mcp-Param-City", "MCP-Protocol-Version", "X-Forwarded-For", "Cookie", "X-Tidemarkers", "Trailer",
    ])
    func `this header passes`(_ name: String) {
        #expect(HeaderHygiene.request([(name, "x")]).map(\.name) == [name])
    }

    @Test func `headers that Connection names are for one hop, save those that frame the message`() {
        let left = HeaderHygiene.request([
            ("Connection", "close, X-Local"), ("connection", "host,content_length"), ("X-Local", "1"), ("x_local", "2"),
            ("Host", "h"), ("Content-Length", "3"),
        ])
        #expect(left.map(\.name) == ["Host", "Content-Length"])
    }

    @Test func `an answer keeps everything but the hop's own headers`() {
        let left = HeaderHygiene.response([
            ("Connection", "X-Hop"), ("X-Hop", "1"), ("Keep-Alive", "timeout=5"), ("WWW-Authenticate", "Bearer"),
            ("mcp-session-id", "s"), ("Proxy-Authenticate", "Basic"),
        ])
        #expect(left.map(\.name) == ["WWW-Authenticate", "mcp-session-id"])
    }
}
