import Gateway
import NIOCore
import NIOHTTP1

/// What is to happen to one request.
enum HTTPVerdict: Sendable {
    /// - Parameters:
    ///   - adding: headers on top of what hygiene leaves.
    ///   - over: a newly dialled channel, its gate still shut; nil: the one in use.
    case forward(adding: [HeaderHygiene.Header], over: (any Channel)?)
    case refuse(Refusal)
}

/// Moves HTTP/1.1 exchanges between two channels, one at a time, each after a decision of its own.
///
/// Confined to the channels' event loop. Bodies pass as they come; nothing is read that could not be written on.
final class HTTPLane {
    private struct Exchange {
        let request: HTTPRequestHead
        var keepAlive: Bool
        var requestEnded = false
        var answerStarted = false
        var answerEnded = false
    }

    private enum Phase {
        case idle
        case deciding(HTTPRequestHead)
        case exchanging(Exchange)
        /// Answered by the proxy itself; what is left of the request is read past, so many bytes at most.
        case discarding(budget: Int)
        /// Nothing is carried any more.
        case closing
    }

    private enum Incoming {
        case part(HTTPServerRequestPart)
        case malformed(Refusal)
    }

    private let limits: ProxyLimits
    private let eventLoop: any EventLoop
    private let decide: @Sendable (HTTPRequestHead) async -> HTTPVerdict
    private var phase = Phase.idle
    private var waiting = CircularBuffer<Incoming>()
    private var front: HTTPFront?
    private var back: HTTPBack?

    /// Takes a channel over for HTTP; on its event loop.
    static func serve(
        _ channel: any Channel, limits: ProxyLimits, decide: @escaping @Sendable (HTTPRequestHead) async -> HTTPVerdict,
    ) throws {
        guard channel.isActive else { throw ProxyError.clientGone }
        let lane = HTTPLane(limits: limits, eventLoop: channel.eventLoop, decide: decide)
        let front = HTTPFront(lane: lane)
        lane.front = front
        var unframed = HTTPResponseEncoder.Configuration()
        unframed.automaticallySetFramingHeaders = false
        let decoder = HTTPRequestDecoder(limitConfiguration: .limited(to: limits.headerBytes))
        try channel.pipeline.syncOperations.addHandlers([
            HTTPResponseEncoder(configuration: unframed), ByteToMessageHandler(decoder), front,
        ])
        try channel.gate().open()
        front.read()
    }

    private init(
        limits: ProxyLimits, eventLoop: any EventLoop,
        decide: @escaping @Sendable (HTTPRequestHead) async -> HTTPVerdict,
    ) {
        self.limits = limits
        self.eventLoop = eventLoop
        self.decide = decide
    }

    // MARK: From the front

    func received(_ part: HTTPServerRequestPart) {
        waiting.append(.part(part))
        advance()
    }

    func failed(toParse error: any Error) {
        waiting.append(.malformed(HTTPFraming.refusal(for: error)))
        advance()
    }

    func requestsRead() {
        back?.flush()
        readRequests()
    }

    func frontEnded() {
        phase = .closing
        waiting.removeAll()
        back?.abandon()
        back = nil
        front = nil
    }

    // MARK: From the back

    func received(_ part: HTTPClientResponsePart) {
        guard case .exchanging(var exchange) = phase, !exchange.answerEnded else { return abort() }
        switch part {
        case .head(let head):
            guard start(head, &exchange) else { return answer(.badGateway("the server's answer cannot be carried")) }
        case .body(let bytes): front?.write(.body(.byteBuffer(bytes)))
        case .end(let trailers):
            front?.write(.end(trailers.map { HTTPHeaders(HeaderHygiene.response(Array($0))) }))
            exchange.answerEnded = true
        }
        phase = .exchanging(exchange)
        finishIfOver()
    }

    func answersRead() {
        front?.flush()
        readAnswers()
    }

    func readAnswers() {
        guard let front, front.isWritable else { return }
        back?.read()
    }

    func requestsWelcome() {
        advance()
        back?.flush()
        readRequests()
    }

    func backEnded(_ ended: HTTPBack, because reason: String) {
        guard ended === back else { return }
        back = nil
        switch phase {
        case .idle: closeGently()
        case .deciding, .discarding, .closing: break
        case .exchanging(let exchange):
            if exchange.answerStarted { return abort() }
            answer(.badGateway("\(reason) before it answered"))
        }
    }

    // MARK: Requests

    private func advance() {
        while let next = waiting.first, isWelcome(next) {
            waiting.removeFirst()
            take(next)
        }
    }

    private func isWelcome(_ next: Incoming) -> Bool {
        switch phase {
        case .idle, .discarding, .closing: true
        case .deciding: false
        case .exchanging(let exchange): !exchange.requestEnded && (back?.isWritable ?? true)
        }
    }

    private func take(_ next: Incoming) {
        switch (phase, next) {
        case (.idle, .part(.head(let head))): begin(head)
        case (.idle, .malformed(let refusal)): write(refusal, to: nil, keepAlive: false)
        case (.exchanging(let exchange), .part(let part)): forward(part, exchange)
        case (.exchanging(let exchange), .malformed(let refusal)):
            // Cut, not closed: the server must not take half a request for a whole one.
            back?.abandon()
            back = nil
            if exchange.answerStarted { abort() } else { answer(refusal) }
        case (.discarding(let budget), .part(let part)): discard(part, budget)
        case (.discarding, .malformed): closeGently()
        case (.closing, _), (.deciding, _), (.idle, _): break
        }
    }

    private func begin(_ head: HTTPRequestHead) {
        phase = .deciding(head)
        if let refusal = HTTPFraming.objection(to: head) {
            return write(refusal, to: head, keepAlive: false)
        }
        let decide = self.decide
        eventLoop.makeFutureWithTask { await decide(head) }.assumeIsolated().whenSuccess { verdict in
            self.decided(verdict, head)
        }
    }

    private func decided(_ verdict: HTTPVerdict, _ head: HTTPRequestHead) {
        guard case .deciding = phase else {
            if case .forward(_, .some(let unused)) = verdict { unused.cut() }
            return
        }
        switch verdict {
        case .refuse(let refusal): refuse(refusal, head)
        case .forward(let adding, let channel):
            guard adopt(channel), let back else { return refuse(.badGateway("the server closed the connection"), head) }
            // After an Upgrade the decoder treats what follows as another protocol, so nothing may follow.
            let keepAlive = head.isKeepAlive && !head.headers.contains(name: "upgrade")
            phase = .exchanging(Exchange(request: head, keepAlive: keepAlive))
            back.write(.head(HTTPFraming.request(head, adding: adding, keepAlive: keepAlive)))
            requestsWelcome()
            readAnswers()
        }
    }

    /// - Returns: whether there is a live channel to the server now.
    private func adopt(_ channel: (any Channel)?) -> Bool {
        guard let channel else { return back?.isActive ?? false }
        back?.retire()
        back = try? HTTPBack.attach(to: channel, lane: self, headerBytes: limits.headerBytes)
        guard back != nil, let gate = try? channel.gate() else {
            channel.cut()
            return false
        }
        gate.open()
        return back?.isActive ?? false
    }

    private func forward(_ part: HTTPServerRequestPart, _ exchange: Exchange) {
        switch part {
        case .head: abort()  // The decoder never gives a head before the end of the last request.
        case .body(let bytes): back?.write(.body(.byteBuffer(bytes)))
        case .end(let trailers):
            back?.write(.end(trailers.map { HTTPHeaders(HeaderHygiene.request(Array($0))) }))
            var exchange = exchange
            exchange.requestEnded = true
            phase = .exchanging(exchange)
        }
    }

    private func discard(_ part: HTTPServerRequestPart, _ budget: Int) {
        switch part {
        case .head: abort()
        case .body(let bytes):
            let left = budget - bytes.readableBytes
            phase = .discarding(budget: left)
            if left < 0 { closeGently() }
        case .end: phase = .idle
        }
    }

    private func readRequests() {
        guard waiting.isEmpty else { return }
        if case .exchanging(let exchange) = phase, !exchange.requestEnded, let back, !back.isWritable { return }
        front?.read()
    }

    // MARK: Answers

    /// - Returns: false where the answer cannot be framed for this client.
    private func start(_ head: HTTPResponseHead, _ exchange: inout Exchange) -> Bool {
        guard head.status != .switchingProtocols else { return false }
        let informational = HTTPFraming.isInformational(head)
        if informational, !exchange.request.version.isModern { return true }
        let keepAlive = exchange.keepAlive && head.isKeepAlive
        guard let framed = HTTPFraming.response(head, to: exchange.request, keepAlive: keepAlive) else { return false }
        front?.write(.head(framed))
        if !informational {
            exchange.keepAlive = keepAlive
            exchange.answerStarted = true
        }
        return true
    }

    private func finishIfOver() {
        guard case .exchanging(let exchange) = phase, exchange.answerEnded else { return }
        front?.flush()
        guard exchange.requestEnded, exchange.keepAlive else { return closeGently() }
        phase = .idle
        requestsWelcome()
    }

    private func refuse(_ refusal: Refusal, _ head: HTTPRequestHead) {
        // A client that waits for "100 Continue" may or may not send its body now: the next request could not be found.
        let isLast = head.headers.contains(name: "expect") || head.headers.contains(name: "upgrade")
        write(refusal, to: head, keepAlive: head.isKeepAlive && !isLast)
    }

    /// Ends the exchange under way with an answer of the proxy's own.
    private func answer(_ refusal: Refusal) {
        guard case .exchanging(let exchange) = phase, !exchange.answerStarted else { return abort() }
        back?.abandon()
        back = nil
        write(refusal, to: exchange.request, keepAlive: false)
    }

    private func write(_ refusal: Refusal, to request: HTTPRequestHead?, keepAlive: Bool) {
        front?.write(.head(Self.head(refusal, keepAlive: keepAlive)))
        if request?.method != .HEAD { front?.write(.body(.byteBuffer(ByteBuffer(string: refusal.body)))) }
        front?.write(.end(nil))
        front?.flush()
        guard keepAlive else { return closeGently() }
        phase = .discarding(budget: limits.discardedBody)
        requestsWelcome()
    }

    private static func head(_ refusal: Refusal, keepAlive: Bool) -> HTTPResponseHead {
        var headers: HTTPHeaders = [
            "content-type": "application/json", "content-length": "\(refusal.body.utf8.count)",
            "cache-control": "no-store",
        ]
        if let challenge = refusal.challenge { headers.add(name: "www-authenticate", value: challenge) }
        if let seconds = refusal.retryAfter { headers.add(name: "retry-after", value: "\(seconds)") }
        if !keepAlive { headers.add(name: "connection", value: "close") }
        return HTTPResponseHead(version: .http1_1, status: .init(statusCode: refusal.status), headers: headers)
    }

    // MARK: Ends

    private func closeGently() {
        phase = .closing
        waiting.removeAll()
        back?.retire()
        back = nil
        front?.closeGently()
    }

    /// What was promised cannot be kept: both sides see a reset.
    private func abort() {
        let front = self.front
        frontEnded()
        front?.cut()
    }
}
