import Gateway
import NIOCore
import NIOHTTP1

/// How a message's end is told, made unmistakable for whoever reads it next. RFC 9112, section 6.
enum HTTPFraming {
    /// Why a request is not carried: whatever two parsers could disagree on.
    static func objection(to head: HTTPRequestHead) -> Refusal? {
        switch head.method {
        case .CONNECT: return .malformed(501, "CONNECT is not carried on a port with protected resources")
        case .RAW("PRI"): return .malformed(505, "HTTP/2 is not spoken here; use HTTP/1.1")
        default: break
        }
        let lengths = head.headers["content-length"]
        let codings = head.headers["transfer-encoding"]
        if !lengths.isEmpty, !codings.isEmpty {
            return .malformed(400, "the request has both Content-Length and Transfer-Encoding")
        }
        if lengths.count > 1 { return .malformed(400, "the request has \(lengths.count) Content-Length headers") }
        if !codings.isEmpty {
            if !head.version.isModern { return .malformed(400, "HTTP/1.0 has no Transfer-Encoding") }
            if !isChunkedAlone(codings) { return .malformed(501, "the only Transfer-Encoding carried is chunked") }
        }
        let hosts = head.headers["host"].count
        if hosts > 1 || (hosts == 0 && head.version.isModern) {
            return .malformed(400, "the request has \(hosts) Host headers")
        }
        return nil
    }

    /// - Parameter error: the request decoder's.
    static func refusal(for error: any Error) -> Refusal {
        switch error {
        case HTTPParserError.headerOverflow:
            Refusal(
                status: 431, error: "headers_too_large", reason: "the request's headers are too large",
                remedy: "send less: 64 KiB in all and 256 headers are allowed",
            )
        case HTTPParserError.invalidVersion, HTTPParserError.paused:
            .malformed(505, "only HTTP/1.0 and HTTP/1.1 are spoken here")
        default: .malformed(400, "the request is not well-formed HTTP/1.1: \(error)")
        }
    }

    /// The request as it goes to the next hop.
    static func request(_ head: HTTPRequestHead, adding: [HeaderHygiene.Header], keepAlive: Bool) -> HTTPRequestHead {
        var next = head
        next.headers = HTTPHeaders(HeaderHygiene.request(Array(head.headers)) + adding)
        if head.headers.contains(name: "transfer-encoding") {
            next.headers.replaceOrAdd(name: "transfer-encoding", value: "chunked")
        }
        if !keepAlive { next.headers.add(name: "connection", value: "close") }
        return next
    }

    /// The answer as it goes to the one who asked.
    ///
    /// - Returns: nil where it cannot be framed.
    static func response(_ head: HTTPResponseHead, to request: HTTPRequestHead, keepAlive: Bool) -> HTTPResponseHead? {
        let codings = head.headers["transfer-encoding"]
        guard codings.isEmpty || isChunkedAlone(codings) else { return nil }
        var next = HTTPResponseHead(
            version: request.version.isModern ? head.version : .http1_0, status: head.status,
            headers: HTTPHeaders(HeaderHygiene.response(Array(head.headers))),
        )
        next.headers.remove(name: "transfer-encoding")
        if !codings.isEmpty { next.headers.remove(name: "content-length") }
        if head.status == .noContent || isInformational(head) {
            next.headers.remove(name: "content-length")
        } else if hasBody(head, to: request), !next.headers.contains(name: "content-length"),
            request.version.isModern
        {
            next.version = .http1_1
            next.headers.add(name: "transfer-encoding", value: "chunked")
        }
        if !keepAlive, !isInformational(head) { next.headers.add(name: "connection", value: "close") }
        return next
    }

    static func isInformational(_ head: HTTPResponseHead) -> Bool { (100..<200).contains(head.status.code) }

    /// Whether the answer's end shows without the connection's end.
    private static func hasBody(_ head: HTTPResponseHead, to request: HTTPRequestHead) -> Bool {
        request.method != .HEAD && head.status != .notModified && head.status != .noContent && !isInformational(head)
    }

    private static func isChunkedAlone(_ codings: [String]) -> Bool {
        codings.count == 1 && codings[0].lowercased() == "chunked"
    }
}

extension HTTPVersion {
    /// Knows chunks and persistent connections: HTTP/1.1.
    var isModern: Bool { major == 1 && minor >= 1 }
}

extension Refusal {
    static func malformed(_ status: Int, _ reason: String) -> Refusal {
        Refusal(
            status: status, error: "request_malformed", reason: reason,
            remedy: "send the request as RFC 9112 has it, over HTTP/1.1",
        )
    }

    static func badGateway(_ reason: String) -> Refusal {
        Refusal(status: 502, error: "upstream_failed", reason: reason, remedy: "see whether the called workload runs")
    }

    static func unavailable(_ reason: String) -> Refusal {
        Refusal(
            status: 503, error: "temporarily_unavailable", reason: reason,
            remedy: "try again; tidemark status shows whether the agent reaches its control plane", retryAfter: 2,
        )
    }

    static func peerRefused(_ reason: String) -> Refusal {
        Refusal(
            status: 403, error: "peer_refused", reason: reason,
            remedy: "see allowedSPIFFEIDs of both identities, and tidemark explain",
        )
    }

    /// What stands for a failure on the way to an answer.
    static func standing(for error: any Error) -> Refusal {
        switch error {
        case let refusal as Refusal: refusal
        case ProxyError.peerRefused, ProxyError.identityWithdrawn: .peerRefused("\(error)")
        case ProxyError.handshake, ProxyError.unreachable, ProxyError.socket: .badGateway("\(error)")
        default: .unavailable("\(error)")
        }
    }
}
