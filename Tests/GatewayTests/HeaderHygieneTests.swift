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
        "HTTP2-Settings", "Forwarded", "FORWARDED", "X-Forwarded-For", "x-forwarded-proto", "X-Real-IP", "Via",
        "X-Remote-User", "X-Original-URL", "True-Client-IP", "Remote-User", "Client-IP", "X-Client-IP",
        "CF-Connecting-IP",
        "Fastly-Client-IP", "X-Cluster-Client-IP", "X-Authenticated-User", "X-Auth-Request-Email", "X-Client-Cert",
        "X-Envoy-External-Address", "X-Envoy-Peer-Metadata", "X-Envoy-Downstream-Service-Cluster",
    ])
    func `nobody may bring this header`(_ name: String) {
        let left = HeaderHygiene.request([("Host", "h"), (name, "one"), ("Accept", "*/*"), (name, "two")])
        #expect(left.map(\.name) == ["Host", "Accept"])
    }

    @Test(arguments: [
        "Host", "Accept", "Content-Type", "Content-Length", "Transfer-Encoding", "Expect", "Mcp-Session-Id",
        "Mcp-Param-City", "MCP-Protocol-Version", "Cookie", "X-Client-Version", "Forwarding", "X-Tidemarkers",
        "Trailer",
    ])
    func `this header passes`(_ name: String) {
        #expect(HeaderHygiene.request([(name, "x")]).map(\.name) == [name])
    }

    @Test(arguments: [
        "Transfer_Encoding", "transfer_encoding", "TRANSFER.ENCODING", "Content_Length", "Content_Type",
        "X_Tidemark_Peer",
        "X-Tidemark_Peer", "x.tidemark.peer", "Mcp_Session_Id", "mcp-session_id", "Mcp_Protocol_Version",
        "Author_ization",
        "X_Forwarded_For", "Remote_User", "Connection_", "Proxy_Authorization", "Content!Encoding", "Last_Event_ID",
        "X_HTTP_Method_Override", "X_Method_Override", "Cookie_", "_Cookie", "X_Client_IP", "Client_IP",
    ])
    func `a name that a server would fold onto another header's is refused`(_ name: String) {
        let isFolded = HeaderHygiene.objection(to: [("Host", "h"), (name, "x")]) != nil
        // These fold onto names that mean nothing.
        #expect(isFolded == !["Author_ization", "Connection_", "Cookie_", "_Cookie"].contains(name))
    }

    @Test func `two spellings of one folded name are refused together, and pass alone`() {
        #expect(HeaderHygiene.objection(to: [("X_City", "a"), ("x-city", "b")]) != nil)
        #expect(
            HeaderHygiene.objection(to: [("X_City", "a"), ("X_CITY", "b"), ("Accept", "c"), ("accept", "d")]) == nil)
    }

    @Test func `a resource's manifest adds headers that nobody may bring`() {
        let left = HeaderHygiene.request(
            [("X-Tenant", "a"), ("x-tenant", "b"), ("Accept", "*/*")], stripping: ["X-Tenant"])
        #expect(left.map(\.name) == ["Accept"])
    }

    @Test func `trailers neither frame nor authenticate`() {
        let left = HeaderHygiene.trailers([
            ("Content-Length", "3"), ("Authorization", "x"), ("X-Checksum", "1"), ("Content-Digest", "d"),
            ("Host", "h"),
        ])
        #expect(left.map(\.name) == ["X-Checksum", "Content-Digest"])
    }

    @Test func `what a resource's manifest strips is no trailer either, however it is spelled`() {
        let left = HeaderHygiene.trailers(
            [("X-Tenant", "a"), ("x_tenant", "b"), ("X-Checksum", "1")], stripping: ["X-Tenant"])
        #expect(left.map(\.name) == ["X-Checksum"])
    }

    @Test func `headers that Connection names are for one hop, save those that frame the message`() {
        let left = HeaderHygiene.request([
            ("Connection", "close, X-Local"), ("connection", "host,content-length"), ("X-Local", "1"), ("x-local", "2"),
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
