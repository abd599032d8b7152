import Gateway
import NIOCore
import NIOHTTP1

/// Between a client's bytes and requests, and between answers and bytes.
///
/// Ours, as NIO's reads header bytes as UTF-8 and puts other characters in place of those that are none, and refuses forms
/// that are legal without saying which rule they break.
final class HTTPRequestCodec: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = IOData

    private var reader: HTTPReader<HTTPRequestHead>
    private var writer = HTTPWriter()

    init(headerBytes: Int) {
        reader = HTTPReader(limit: headerBytes, parse: HTTPRequestHead.init(line:)) { head, headers throws(Refusal) in
            var head = head
            head.headers = headers
            return (head, try HTTPFraming.body(of: head))
        } check: { trailers throws(Refusal) in
            try HTTPFraming.check(trailers: trailers)
        }
    }

    /// A request's head has begun and is not whole.
    var isInHead: Bool { reader.isInHead }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        reader.append(unwrapInboundIn(data))
        do {
            while let part = try reader.next() { fire(part, context) }
        } catch {
            context.fireErrorCaught(error)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .some(ChannelEvent.inputClosed) = event as? ChannelEvent {
            do { _ = try reader.end() } catch { context.fireErrorCaught(error) }
        }
        context.fireUserInboundEventTriggered(event)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let parts =
            switch unwrapOutboundIn(data) {
            case .head(let head): writer.head(head)
            case .body(let bytes): writer.body(bytes)
            case .end(let trailers): writer.end(trailers)
            }
        for part in parts { context.write(wrapOutboundOut(part), promise: nil) }
        promise?.succeed()
    }

    private func fire(_ part: HTTPReader<HTTPRequestHead>.Part, _ context: ChannelHandlerContext) {
        switch part {
        case .head(let head): context.fireChannelRead(wrapInboundOut(.head(head)))
        case .body(let bytes): context.fireChannelRead(wrapInboundOut(.body(bytes)))
        case .end(let trailers): context.fireChannelRead(wrapInboundOut(.end(trailers)))
        }
    }
}

/// Between requests and bytes, and between a server's bytes and answers, of which there is one for each request.
final class HTTPAnswerCodec: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = HTTPClientResponsePart
    typealias OutboundIn = HTTPClientRequestPart
    typealias OutboundOut = IOData

    private final class Asked {
        /// The method of the request under way; nil: nobody has asked.
        var method: HTTPMethod?
    }

    private let asked = Asked()
    private var reader: HTTPReader<HTTPResponseHead>
    private var writer = HTTPWriter()

    init(headerBytes: Int) {
        let asked = asked
        reader = HTTPReader(limit: headerBytes, parse: HTTPResponseHead.init(line:)) { head, headers throws(Refusal) in
            var head = head
            head.headers = headers
            return (head, try HTTPFraming.body(of: head, to: asked.method))
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        reader.append(unwrapInboundIn(data))
        do {
            while try checkAsked(), let part = try reader.next() { fire(part, context) }
        } catch {
            context.fireErrorCaught(error)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .some(ChannelEvent.inputClosed) = event as? ChannelEvent {
            do {
                if let end = try reader.end() { fire(end, context) }
            } catch {
                context.fireErrorCaught(error)
            }
        }
        context.fireUserInboundEventTriggered(event)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let parts: [IOData]
        switch unwrapOutboundIn(data) {
        case .head(let head):
            asked.method = head.method
            parts = writer.head(head)
        case .body(let bytes): parts = writer.body(bytes)
        case .end(let trailers): parts = writer.end(trailers)
        }
        for part in parts { context.write(wrapOutboundOut(part), promise: nil) }
        promise?.succeed()
    }

    /// What comes while nobody has asked would be given to whoever asks next.
    private func checkAsked() throws(Refusal) -> Bool {
        if asked.method != nil { return true }
        if reader.isBetweenMessages { return false }
        throw .malformed(502, "the server sent an answer nobody asked for")
    }

    private func fire(_ part: HTTPReader<HTTPResponseHead>.Part, _ context: ChannelHandlerContext) {
        switch part {
        case .head(let head):
            isInformational = HTTPFraming.isInformational(head)
            context.fireChannelRead(wrapInboundOut(.head(head)))
        case .body(let bytes): context.fireChannelRead(wrapInboundOut(.body(bytes)))
        case .end(let trailers):
            // 100 Continue and its like: the answer itself is still to come.
            if isInformational { return }
            asked.method = nil
            context.fireChannelRead(wrapInboundOut(.end(trailers)))
        }
    }

    private var isInformational = false
}
