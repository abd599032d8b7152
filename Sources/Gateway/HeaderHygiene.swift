/// Which headers nobody may bring along: those that say who is calling, and those for one hop only.
///
/// Servers fold names when they turn a header into a variable: without case, and with every punctuation mark alike, so
/// that `X_Tidemark_Peer` is `X-Tidemark-Peer` and `Transfer_Encoding` frames a message. A name that folds onto one that
/// means something to framing, identity or MCP, and is not spelled as that, is refused.
package enum HeaderHygiene {
    package typealias Header = (name: String, value: String)

    /// Tells an application who called it: a SPIFFE ID.
    package static let peerHeader = "X-Tidemark-Peer"

    /// Why a request's headers are not carried, or nil.
    package static func objection(to headers: [Header]) -> String? {
        var spellings: [String: String] = [:]
        for header in headers {
            let (name, folded) = (header.name.lowercased(), canonical(header.name))
            if name != folded, isReserved(folded) {
                return "the header \(header.name) is read as \(folded) by some servers, and is not that header"
            }
            if let other = spellings.updateValue(name, forKey: folded), other != name {
                return "the headers \(other) and \(name) are read as one by some servers"
            }
        }
        return nil
    }

    /// What of a request's headers may go on; the same from a local application and from a peer.
    ///
    /// - Parameter further: names that the resource's manifest adds to those that say who is calling.
    package static func request(_ headers: [Header], stripping further: [String] = []) -> [Header] {
        let further = Set(further.map { canonical($0) })
        return strip(headers) { isIdentity($0) || isSingleHop($0) || further.contains($0) }
    }

    /// What of an answer's headers may go on.
    package static func response(_ headers: [Header]) -> [Header] {
        strip(headers, isSingleHop)
    }

    /// What of a message's trailers may go on. Nothing there may frame, route or authenticate; RFC 9110, section 6.5.1.
    ///
    /// - Parameter further: as for ``request(_:stripping:)``, as some servers add trailers to the headers.
    package static func trailers(_ headers: [Header], stripping further: [String] = []) -> [Header] {
        let further = Set(further.map { canonical($0) })
        return headers.filter { header in
            let name = canonical(header.name)
            guard !further.contains(name) else { return false }
            return !isReserved(name) || name.hasPrefix("mcp-") || name == "content-digest" || name == "content-md5"
        }
    }

    private static func strip(_ headers: [Header], _ isUnwanted: (String) -> Bool) -> [Header] {
        let named = Set(headers.filter { canonical($0.name) == "connection" }.flatMap { options($0.value) })
        return headers.filter { header in
            let name = canonical(header.name)
            return !isUnwanted(name) && !(named.contains(name) && !isFraming(name))
        }
    }

    private static func isReserved(_ name: String) -> Bool {
        isFraming(name) || isIdentity(name) || isSingleHop(name) || name.hasPrefix("mcp-") || name.hasPrefix("content-")
            || otherReservedNames.contains(name)
    }

    /// RFC 9110, section 7.6.1: `Connection` names further headers for this hop only.
    private static func options(_ value: String) -> [String] {
        value.split(separator: ",").map { option in
            canonical(option.filter { $0 != " " && $0 != "\t" })
        }
    }

    /// Letters in lower case and digits stay, anything else becomes `-`.
    static func canonical(_ name: some StringProtocol) -> String {
        String(
            decoding: name.utf8.map { byte in
                switch byte {
                case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte | 0x20
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): byte
                default: UInt8(ascii: "-")
                }
            }, as: UTF8.self)
    }

    private static func isIdentity(_ name: String) -> Bool {
        identityNames.contains(name) || identityPrefixes.contains { name.hasPrefix($0) }
    }

    private static func isSingleHop(_ name: String) -> Bool {
        singleHopNames.contains(name) || name.hasPrefix("proxy-")
    }

    /// Without these the message would have another end, or another addressee: no `Connection` header removes them.
    private static func isFraming(_ name: String) -> Bool {
        name == "host" || name == "content-length" || name == "transfer-encoding"
    }

    private static let identityNames: Set<String> = [
        "authorization", "dpop", "txn-token", "client-cert", "client-cert-chain", "forwarded", "via",
        "remote-user", "true-client-ip", "client-ip", "x-client-ip", "cf-connecting-ip", "fastly-client-ip",
    ]

    private static let identityPrefixes = [
        "x-tidemark-", "x-spiffe-", "x-ssl-client-", "ssl-client-", "workload-", "oauth-client-attestation",
        "x-client-cert", "x-forwarded-", "x-real-", "x-remote-", "x-original-", "x-cluster-client-", "x-authenticated-",
        "x-auth-request-", "x-envoy-external-", "x-envoy-peer-", "x-envoy-downstream-",
    ]

    private static let singleHopNames: Set<String> = [
        "connection", "keep-alive", "te", "upgrade", "http2-settings",
    ]

    /// Neither framing nor identity, and still nothing that may come under another spelling.
    private static let otherReservedNames: Set<String> = [
        "cookie", "origin", "expect", "trailer", "last-event-id", "x-http-method-override", "x-method-override",
    ]
}
