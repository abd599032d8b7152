import Gateway
import NIOCore
import NIOHTTP1

/// Moves HTTP/1.1 exchanges between two channels, one at a time, each after a decision of its own.
///
/// Confined to the channels' event loop. Bodies pass as they come; nothing is read that could not be written on.
final class HTTPLane {
    private enum Incoming {
        case part(HTTPServerRequestPart)
        case malformed(Refusal)
    }

    private let limits: ProxyLimits
    /// Whoever asks is on another host: refusals are told without what is only this host's business.
    private let isPeers: Bool
    private let eventLoop: any EventLoop
    private let decide: @Sendable (HTTPRequestHead) async -> HTTPVerdict
    private var phase = HTTPPhase.idle
    /// The client sends nothing more; it still waits for the answers to what it asked.
    private var requestsAreOver = false
    private var waiting = CircularBuffer<Incoming>()
    private var front: HTTPFront?
    private var back: HTTPBack?
    /// When the client last sent something, or its last answer ended.
    private var heard = NIODeadline.now()
    private var pace: RequestPace
    private var watching: Scheduled<Void>?
    /// Since when a head has been on its way.
    private var headBegan: NIODeadline?

    /// Takes a channel over for HTTP; on its event loop.
    ///
    /// - Parameter isPeers: the channel's client is on another host.
    static func serve(
        _ channel: any Channel, limits: ProxyLimits, isPeers: Bool = false,
        decide: @escaping @Sendable (HTTPRequestHead) async -> HTTPVerdict,
    ) throws {
        guard channel.isActive else { throw ProxyError.clientGone }
        let lane = HTTPLane(limits: limits, isPeers: isPeers, eventLoop: channel.eventLoop, decide: decide)
        let codec = HTTPRequestCodec(headerBytes: limits.headerBytes)
        let front = HTTPFront(lane: lane, codec: codec)
        lane.front = front
        try channel.pipeline.syncOperations.addHandlers([codec, front])
        lane.watch()
        try channel.gate().open()
        front.read()
    }

    private init(
        limits: ProxyLimits, isPeers: Bool, eventLoop: any EventLoop,
        decide: @escaping @Sendable (HTTPRequestHead) async -> HTTPVerdict,
    ) {
        self.limits = limits
        pace = RequestPace(limits)
        self.isPeers = isPeers
        self.eventLoop = eventLoop
        self.decide = decide
    }

    // MARK: From the front

    func received(_ part: HTTPServerRequestPart) {
        waiting.append(.part(part))
        advance()
    }

    func failed(toParse refusal: Refusal) {
        waiting.append(.malformed(refusal))
        advance()
    }

    /// - Parameter isInHead: what was read ends in the midst of a request's head.
    func requestsRead(isInHead: Bool) {
        heard = .now()
        let isNew = isInHead && headBegan == nil
        headBegan = isInHead ? headBegan ?? heard : nil
        // The head is due before what was due until now.
        if isNew { watch() }
        back?.flush()
        readRequests()
    }

    func requestsEnded() {
        requestsAreOver = true
        switch phase {
        case .idle, .discarding: if waiting.isEmpty { closeGently() }
        case .exchanging: passOnEndOfRequests()
        case .deciding, .closing: break
        }
    }

    /// The server sees what it would on a direct connection: that the client's half is closed.
    private func passOnEndOfRequests() {
        guard requestsAreOver, waiting.isEmpty, case .exchanging(let exchange) = phase else { return }
        if exchange.requestEnded {
            back?.closeOutput()
        } else if exchange.answerEnded {
            leaveRequest()
        } else {
            abort()
        }
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
            guard start(head, &exchange) else { return answer(.badGateway("the server switched to another protocol")) }
        case .body(let bytes): front?.write(.body(.byteBuffer(bytes)))
        case .end(let trailers):
            front?.write(.end(trailers.map { HTTPHeaders(HeaderHygiene.trailers(Array($0))) }))
            exchange.answerEnded = true
        }
        phase = .exchanging(exchange)
        finishIfOver()
    }

    /// The server has closed its half, and the client is told.
    ///
    /// - Returns: whether the exchange goes on: it has answered before the request's end, and takes the rest.
    func answersEnded() -> Bool {
        guard case .exchanging(var exchange) = phase, exchange.answerEnded, !exchange.requestEnded else { return false }
        exchange.keepAlive = false
        phase = .exchanging(exchange)
        front?.closeOutput()
        return true
    }

    func answersRead() {
        front?.flush()
        readAnswers()
    }

    func readAnswers() {
        guard let front, front.isWritable else { return }
        back?.read()
    }

    func answersWelcome() {
        readAnswers()
        advance()
        readRequests()
    }

    func requestsWelcome() {
        pace.begin()
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
            if exchange.answerEnded { return closeGently() }
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
        // Answers are not read while the client takes none: what the server has sent unasked would be the next one's.
        case .idle: front?.isWritable ?? false
        case .discarding, .closing: true
        case .deciding: false
        case .exchanging(let exchange): !exchange.requestEnded && (back?.isWritable ?? true)
        }
    }

    private func take(_ next: Incoming) {
        switch (phase, next) {
        case (.idle, .part(.head(let head))): begin(head)
        case (.idle, .malformed(let refusal)): write(refusal, to: nil, keepAlive: false)
        case (.exchanging(let exchange), .part(let part)): forward(part, exchange)
        case (.exchanging, .malformed(let refusal)): answer(refusal)
        case (.discarding(let budget), .part(let part)): discard(part, budget)
        case (.discarding, .malformed): closeGently()
        case (.closing, _), (.deciding, _), (.idle, _): break
        }
    }

    private func begin(_ head: HTTPRequestHead) {
        phase = .deciding(head)
        let decide = self.decide
        eventLoop.makeFutureWithTask { await decide(head) }.assumeIsolated().whenSuccess { verdict in
            self.decided(verdict, head)
        }
    }

    private func decided(_ verdict: HTTPVerdict, _ head: HTTPRequestHead) {
        guard case .deciding = phase else {
            if case .forward(_, _, .some(let unused)) = verdict { unused.cut() }
            return
        }
        switch verdict {
        case .refuse(let refusal): refuse(refusal, head)
        case .forward(let adding, let stripping, let channel):
            guard adopt(channel), let back else {
                return refuse(.badGateway("the server closed the connection"), head)
            }
            // Whoever asks for another protocol may send it next, whatever the answer is.
            let keepAlive = head.isKeepAlive && !head.headers.contains(name: "upgrade")
            phase = .exchanging(HTTPExchange(request: head, stripping: stripping, keepAlive: keepAlive))
            back.write(
                .head(HTTPFraming.request(head, stripping: stripping, adding: adding, keepAlive: keepAlive))
            )
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

    private func forward(_ part: HTTPServerRequestPart, _ exchange: HTTPExchange) {
        switch part {
        case .head: abort()  // The decoder never gives a head before the end of the last request.
        case .body(let bytes):
            pace.receive(bytes.readableBytes)
            back?.write(.body(.byteBuffer(bytes)))
        case .end(let trailers):
            let trailers = trailers.map { HeaderHygiene.trailers(Array($0), stripping: exchange.stripping) }
            back?.write(.end(trailers.map { HTTPHeaders($0) }))
            var exchange = exchange
            exchange.requestEnded = true
            phase = .exchanging(exchange)
            passOnEndOfRequests()
            finishIfOver()
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

    /// - Returns: false where the answer cannot be carried.
    private func start(_ head: HTTPResponseHead, _ exchange: inout HTTPExchange) -> Bool {
        guard head.status.code != 101 else { return false }
        let informational = HTTPFraming.isInformational(head)
        if informational, !exchange.request.version.isModern { return true }
        let keepAlive = exchange.keepAlive && head.isKeepAlive
        front?.write(.head(HTTPFraming.response(head, to: exchange.request, keepAlive: keepAlive)))
        if !informational {
            exchange.keepAlive = keepAlive
            exchange.answerStarted = true
        }
        return true
    }

    private func finishIfOver() {
        guard case .exchanging(let exchange) = phase, exchange.answerEnded else { return }
        front?.flush()
        guard exchange.requestEnded else { return }  // The server may read it to its end.
        back?.flush()
        guard exchange.keepAlive else { return closeGently() }
        phase = .idle
        heard = .now()
        if headBegan != nil { headBegan = heard }
        requestsWelcome()
        if case .idle = phase, requestsAreOver, waiting.isEmpty { closeGently() }
    }

    private func refuse(_ refusal: Refusal, _ head: HTTPRequestHead) {
        // A client that waits for "100 Continue" may or may not send its body now: the next request could not be found.
        let isLast = head.headers.contains(name: "expect") || head.headers.contains(name: "upgrade")
        write(refusal, to: head, keepAlive: head.isKeepAlive && !isLast)
    }

    /// Ends the exchange under way, with an answer of the proxy's own where none has begun.
    private func answer(_ refusal: Refusal) {
        guard case .exchanging(let exchange) = phase else { return abort() }
        if exchange.answerEnded { return leaveRequest() }
        if exchange.answerStarted { return abort() }
        back?.abandon()
        back = nil
        write(refusal, to: exchange.request, keepAlive: false)
    }

    /// Nothing more of an answered request is carried. The server's side is cut, not closed: it must not take half a
    /// request for a whole one.
    private func leaveRequest() {
        back?.abandon()
        back = nil
        closeGently()
    }

    private func write(_ refusal: Refusal, to request: HTTPRequestHead?, keepAlive: Bool) {
        let refusal = isPeers ? refusal.toldToPeer : refusal
        front?.write(.head(refusal.head(keepAlive: keepAlive)))
        if request?.method != .HEAD { front?.write(.body(.byteBuffer(ByteBuffer(string: refusal.body)))) }
        front?.write(.end(nil))
        front?.flush()
        guard keepAlive else { return closeGently() }
        phase = .discarding(budget: limits.discardedBody)
        requestsWelcome()
        if case .idle = phase, requestsAreOver, waiting.isEmpty { closeGently() }
    }

    // MARK: Patience

    /// Looks again when something may be overdue; one timer a connection, whatever passes.
    private func watch() {
        watching?.cancel()
        guard front != nil else { return }
        let next = overdueAt ?? NIODeadline.now() + limits.requestHead.timeAmount
        watching = eventLoop.assumeIsolated().scheduleTask(deadline: next) { [weak self] in
            guard let self else { return }
            if let due = self.overdueAt, due <= .now() { self.giveUp() } else { self.watch() }
        }
    }

    /// Until when the client may keep the lane waiting; nil where it is not the client that is waited for.
    private var overdueAt: NIODeadline? {
        switch phase {
        case .idle, .discarding:
            if let headBegan { return headBegan + limits.requestHead.timeAmount }
            return heard + limits.idle.timeAmount
        case .exchanging(let exchange):
            guard !exchange.requestEnded, waiting.isEmpty, back?.isWritable ?? false else { return nil }
            let silent = heard + limits.idle.timeAmount
            return pace.deadline.map { min($0, silent) } ?? silent
        case .deciding, .closing: return nil
        }
    }

    private func giveUp() {
        switch phase {
        case .exchanging: answer(.requestTooSlow)
        case .idle where headBegan != nil: write(.requestTooSlow, to: nil, keepAlive: false)
        case .idle, .discarding: closeGently()
        case .deciding, .closing: break
        }
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
