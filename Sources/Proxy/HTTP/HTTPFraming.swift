import Gateway
import NIOCore
import NIOHTTP1

/// How a message's end is told, made unmistakable for whoever reads it next. RFC 9112, section 6.
enum HTTPFraming {
    /// How a request's body ends.
    ///
    /// - Throws: why the request is not carried: whatever two parsers could disagree on.
    static func body(of head: HTTPRequestHead) throws(Refusal) -> HTTPReader<HTTPRequestHead>.Body {
        switch head.method {
        case .CONNECT: throw .malformed(501, "CONNECT is not carried on a port with protected resources")
        default: break
        }
        try checkNames(head.headers)
        try checkHost(head)
        let (length, isChunked) = try framing(head.headers, 400)
        if isChunked, !head.version.isModern { throw .malformed(400, "HTTP/1.0 has no Transfer-Encoding") }
        return isChunked ? .chunked : length.map { .length($0) } ?? .none
    }

    /// How an answer's body ends; RFC 9112, section 6.3.
    static func body(
        of head: HTTPResponseHead, to method: HTTPMethod?,
    ) throws(Refusal) -> HTTPReader<HTTPResponseHead>.Body {
        let (length, isChunked) = try framing(head.headers, 502)
        if method == .HEAD || isBodiless(head) {
            return .none
        }
        if isChunked {
            // RFC 9112, section 6.1: a recipient cannot know where such an answer ends.
            guard head.version.isModern else { throw .malformed(502, "HTTP/1.0 has no Transfer-Encoding") }
            return .chunked
        }
        return length.map { .length($0) } ?? .untilClose
    }

    /// Some servers add a request's trailers to its headers.
    static func check(trailers: HTTPHeaders) throws(Refusal) { try checkNames(trailers) }

    private static func checkNames(_ headers: HTTPHeaders) throws(Refusal) {
        if let reason = HeaderHygiene.objection(to: Array(headers)) { throw .malformed(400, reason) }
    }

    private static func checkHost(_ head: HTTPRequestHead) throws(Refusal) {
        let hosts = head.headers["host"]
        if hosts.count > 1 || (hosts.isEmpty && head.version.isModern) {
            throw .malformed(400, "the request has \(hosts.count) Host headers (RFC 9112, section 3.2)")
        }
        guard hosts.allSatisfy({ $0.utf8.allSatisfy(isHostByte) }) else {
            throw .malformed(400, "the Host header is no host and port (RFC 9110, section 7.2)")
        }
    }

    private static func isHostByte(_ byte: UInt8) -> Bool {
        HTTPLine.isTokenByte(byte) && byte != UInt8(ascii: "^") || "[]:()=".utf8.contains(byte)
    }

    /// The two ways a body's end is told, of which a message has one or none; RFC 9112, section 6.
    private static func framing(
        _ headers: HTTPHeaders, _ status: Int
    ) throws(Refusal) -> (length: Int?, isChunked: Bool) {
        let (lengths, codings) = (headers["content-length"], headers["transfer-encoding"])
        if !lengths.isEmpty, !codings.isEmpty {
            throw .malformed(
                status, "the message has both Content-Length and Transfer-Encoding (RFC 9112, section 6.1)")
        }
        if lengths.count > 1 {
            throw .malformed(status, "the message has \(lengths.count) Content-Length headers (RFC 9112, section 6.3)")
        }
        if !codings.isEmpty, !isChunkedAlone(codings) {
            throw .malformed(status == 400 ? 501 : status, "the only Transfer-Encoding carried is chunked")
        }
        return (try lengths.first.map { value throws(Refusal) in try length(value, status) }, !codings.isEmpty)
    }

    private static func length(_ value: String, _ status: Int) throws(Refusal) -> Int {
        guard !value.isEmpty, value.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let length = Int(value) else {
            throw .malformed(status, "Content-Length is not one decimal number (RFC 9110, section 8.6)")
        }
        return length
    }

    /// The request as it goes to the next hop.
    static func request(
        _ head: HTTPRequestHead, stripping: [String], adding: [HeaderHygiene.Header], keepAlive: Bool,
    ) -> HTTPRequestHead {
        var next = head
        next.headers = HTTPHeaders(
            HeaderHygiene.request(Array(head.headers), stripping: stripping) + adding)
        if head.headers.contains(name: "transfer-encoding") {
            next.headers.replaceOrAdd(name: "transfer-encoding", value: "chunked")
        }
        if !keepAlive { next.headers.add(name: "connection", value: "close") }
        return next
    }

    /// The answer as it goes to the one who asked.
    ///
    static func response(_ head: HTTPResponseHead, to request: HTTPRequestHead, keepAlive: Bool) -> HTTPResponseHead {
        let codings = head.headers["transfer-encoding"]
        var next = HTTPResponseHead(
            version: request.version.isModern ? head.version : .http1_0, status: head.status,
            headers: HTTPHeaders(HeaderHygiene.response(Array(head.headers))),
        )
        next.headers.remove(name: "transfer-encoding")
        if !codings.isEmpty { next.headers.remove(name: "content-length") }
        if head.status.code == 204 || isInformational(head) {
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
        request.method != .HEAD && !isBodiless(head)
    }

    private static func isBodiless(_ head: HTTPResponseHead) -> Bool {
        head.status.code == 204 || head.status.code == 304 || isInformational(head)
    }

    /// Of a list, empty members count nothing; RFC 9110, section 5.6.1.
    private static func isChunkedAlone(_ codings: [String]) -> Bool {
        let members = codings.flatMap { $0.split(separator: ",") }.map { member in
            String(member.filter { $0 != " " && $0 != "\t" }).lowercased()
        }
        return members.filter { !$0.isEmpty } == ["chunked"]
    }
}

extension HTTPRequestHead {
    /// Without headers yet.
    init(line: ArraySlice<UInt8>) throws(Refusal) {
        let request = try HTTPLine.request(line)
        let version = HTTPVersion(major: 1, minor: request.minorVersion)
        self.init(version: version, method: HTTPMethod(rawValue: request.method), uri: request.target)
    }
}

extension HTTPResponseHead {
    /// Without headers yet.
    init(line: ArraySlice<UInt8>) throws(Refusal) {
        let status = try HTTPLine.status(line)
        self.init(
            version: HTTPVersion(major: 1, minor: status.minorVersion),
            // A known code's own case would change the phrase.
            status: .custom(code: UInt(status.code), reasonPhrase: status.reason),
        )
    }
}

extension HTTPVersion {
    /// Knows chunks and persistent connections: HTTP/1.1.
    var isModern: Bool { major == 1 && minor >= 1 }
}

extension Refusal {
    static func badGateway(_ reason: String) -> Refusal {
        Refusal(status: 502, .upstreamFailed, reason: reason, remedy: "see whether the called workload runs")
    }

    static let requestTooSlow = Refusal(
        status: 408, .requestTimeout, reason: "the request came too slowly",
        remedy: "send a request's head at once, and its body without long pauses",
    )

    static func unavailable(_ reason: String) -> Refusal {
        Refusal(
            status: 503, .unavailable, reason: reason,
            remedy: "try again; tidemark status shows whether the agent reaches its control plane", retryAfter: 2,
        )
    }

    static func peerRefused(_ reason: String) -> Refusal {
        Refusal(
            status: 403, .peerRefused, reason: reason,
            remedy: "see allowedSPIFFEIDs of both identities, and tidemark explain",
        )
    }

    /// The same for a peer on another host, without what is only this host's business: addresses, identities that it is not,
    /// errors of the control plane. The journal has them.
    var toldToPeer: Refusal {
        let text: String
        switch cause {
        case .upstreamFailed: text = "the called workload did not answer"
        case .unavailable: text = "the request could not be decided"
        case .peerRefused: text = "the caller is not allowed here"
        case .resourceAmbiguous: text = "more than one resource claims the path"
        default: return self
        }
        return Refusal(
            status: status, cause, error: error, reason: text,
            remedy: "ask who runs the called workload; its audit has the reason",
            challenge: challenge, retryAfter: retryAfter,
        )
    }

    func head(keepAlive: Bool) -> HTTPResponseHead {
        var headers: HTTPHeaders = [
            "content-type": "application/json", "content-length": "\(body.utf8.count)", "cache-control": "no-store",
        ]
        if let challenge { headers.add(name: "www-authenticate", value: challenge) }
        if let retryAfter { headers.add(name: "retry-after", value: "\(retryAfter)") }
        if !keepAlive { headers.add(name: "connection", value: "close") }
        return HTTPResponseHead(version: .http1_1, status: .init(statusCode: status), headers: headers)
    }

    /// What stands for a failure on the way to an answer.
    static func standing(for error: any Error) -> Refusal {
        switch error {
        case let refusal as Refusal: refusal
        case ProxyError.peerRefused, ProxyError.peerUnproved, ProxyError.nobodyListens: .peerRefused("\(error)")
        case ProxyError.handshake, ProxyError.unreachable, ProxyError.socket: .badGateway("\(error)")
        default: .unavailable("\(error)")
        }
    }
}
