import Foundation
import NIOCore
import NIOHTTP1
import NIOTLS

/// One connection's place at the door and its deadlines. Runs on its channel's event loop.
///
/// Two handlers carry it: ``Front`` before TLS, which can close without a TLS alert, and ``Parts`` behind the HTTP parser.
final class ConnectionGuard {
    enum Phase: Equatable {
        case handshake
        /// Nothing of a request's head is there yet.
        case head(kept: Bool)
        case partialHead
        case body
        /// The request is whole, its answer is not.
        case answer
        case over
    }

    private let deadlines: ConnectionDeadlines
    private let eventLoop: any EventLoop
    /// Closes the connection without another word.
    private let cut: () -> Void
    private(set) var phase: Phase
    /// Whether the peer has proven who it is: agents' snapshot streams are answers without an end.
    var isProven = false
    private var unanswered = 0
    private var timer: Scheduled<Void>?

    init(
        _ deadlines: ConnectionDeadlines, startsWith phase: Phase, on eventLoop: any EventLoop,
        cut: @escaping () -> Void,
    ) {
        self.deadlines = deadlines
        self.phase = phase
        self.eventLoop = eventLoop
        self.cut = cut
    }

    /// How long the connection may stay as it is; nil: as long as it likes.
    private var patience: Duration? {
        switch phase {
        case .handshake: deadlines.handshake
        case .head(kept: false), .partialHead: deadlines.requestHead
        case .head(kept: true): deadlines.idle
        case .body: deadlines.request
        case .answer: isProven ? nil : deadlines.request
        case .over: nil
        }
    }

    func enter(_ next: Phase) {
        guard phase != .over else { return }
        phase = next
        arm()
    }

    func arm() {
        timer?.cancel()
        timer = nil
        guard let patience else { return }
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        timer = eventLoop.scheduleTask(in: .init(patience)) { bound.value.cut() }
    }

    /// Bytes came, whatever they are.
    func heard() {
        if case .head = phase { enter(.partialHead) }
    }

    func read(_ part: HTTPServerRequestPart) {
        switch part {
        case .head:
            unanswered += 1
            enter(.body)
        case .body: break
        case .end: enter(unanswered > 0 ? .answer : .head(kept: true))
        }
    }

    func wrote(_ part: HTTPServerResponsePart) {
        guard case .end = part else { return }
        // An answer before its request has ended: the rest of the request still has its deadline.
        unanswered -= 1
        if phase == .answer, unanswered <= 0 { enter(.head(kept: true)) }
    }

    // MARK: In the channel

    /// The first handler: what it closes is closed at once, TLS is not asked.
    final class Front: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias InboundOut = ByteBuffer

        private let heard: () -> Void

        init(heard: @escaping () -> Void) { self.heard = heard }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            heard()
            context.fireChannelRead(data)
        }
    }

    /// Behind TLS and before the HTTP parser.
    final class Bytes: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias InboundOut = ByteBuffer

        private let watch: ConnectionGuard
        private let proven: () -> Bool
        /// It is an agent still.
        let recognize: () -> Void

        /// - Parameter proven: says that the peer's certificate was verified, and takes its place; false: there is none.
        init(_ watch: ConnectionGuard, recognize: @escaping () -> Void, proven: @escaping () -> Bool) {
            self.watch = watch
            self.recognize = recognize
            self.proven = proven
        }

        func handlerAdded(context: ChannelHandlerContext) { watch.arm() }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if case .handshakeCompleted? = event as? TLSUserEvent {
                guard proven() else { return watch.cut() }
                watch.enter(.head(kept: false))
            }
            context.fireUserInboundEventTriggered(event)
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            watch.heard()
            context.fireChannelRead(data)
        }

        func channelInactive(context: ChannelHandlerContext) {
            watch.enter(.over)
            context.fireChannelInactive()
        }
    }

    final class Parts: ChannelDuplexHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias InboundOut = HTTPServerRequestPart
        typealias OutboundIn = HTTPServerResponsePart
        typealias OutboundOut = HTTPServerResponsePart

        private let watch: ConnectionGuard

        init(_ watch: ConnectionGuard) { self.watch = watch }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            watch.read(unwrapInboundIn(data))
            context.fireChannelRead(data)
        }

        func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
            watch.wrote(unwrapOutboundIn(data))
            context.write(data, promise: promise)
        }
    }
}
