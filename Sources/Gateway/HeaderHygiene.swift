/// Which headers nobody may bring along: those that say who is calling, and those for one hop only.
///
/// Names are compared as servers compare them after turning a header into a variable: without case, and with every
/// punctuation mark alike, so `X_Tidemark_Peer` is `X-Tidemark-Peer`.
package enum HeaderHygiene {
    package typealias Header = (name: String, value: String)

    /// Tells an application who called it: a SPIFFE ID.
    package static let peerHeader = "X-Tidemark-Peer"

    /// What of a request's headers, or trailers, may go on; the same from a local application and from a peer.
    package static func request(_ headers: [Header]) -> [Header] {
        strip(headers) { isIdentity($0) || isSingleHop($0) }
    }

    /// What of an answer's headers, or trailers, may go on.
    package static func response(_ headers: [Header]) -> [Header] {
        strip(headers, isSingleHop)
    }

    private static func strip(_ headers: [Header], _ isUnwanted: (String) -> Bool) -> [Header] {
        let named = Set(headers.filter { canonical($0.name) == "connection" }.flatMap { options($0.value) })
        return headers.filter { header in
            let name = canonical(header.name)
            return !isUnwanted(name) && !(named.contains(name) && !isFraming(name))
        }
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
        "authorization", "dpop", "txn-token", "x-forwarded-client-cert", "x-client-cert", "client-cert",
        "client-cert-chain",
    ]

    private static let identityPrefixes = [
        "x-tidemark-", "x-spiffe-", "x-ssl-client-", "ssl-client-", "workload-", "oauth-client-attestation",
        "x-client-cert-",
    ]

    private static let singleHopNames: Set<String> = [
        "connection", "keep-alive", "te", "upgrade", "http2-settings",
    ]
}
