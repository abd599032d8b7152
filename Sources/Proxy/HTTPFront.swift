import NIOCore
import NIOHTTP1

/// The end of an HTTP lane that requests come in at.
final class HTTPFront: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private var lane: HTTPLane?
    private var context: ChannelHandlerContext?

    init(lane: HTTPLane) { self.lane = lane }

    var isWritable: Bool { context?.channel.isWritable ?? false }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { lane?.received(unwrapInboundIn(data)) }

    func channelReadComplete(context: ChannelHandlerContext) { lane?.requestsRead() }

    func channelWritabilityChanged(context: ChannelHandlerContext) { lane?.readAnswers() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if error is HTTPParserError {
            lane?.failed(toParse: error)
        } else {
            lane?.frontEnded()
            cut()
        }
    }

    /// A client that closed its half is gone: it could not be told from one that closed both.
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .some(ChannelEvent.inputClosed) = event as? ChannelEvent else { return }
        lane?.frontEnded()
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        let lane = self.lane
        self.lane = nil
        lane?.frontEnded()
        context.fireChannelInactive()
    }

    func write(_ part: HTTPServerResponsePart) { context?.write(wrapOutboundOut(part), promise: nil) }

    func flush() { context?.flush() }

    func read() { context?.read() }

    func cut() { context?.channel.cut() }

    /// Says that nothing more comes, then leaves the client a moment to take what it was sent: closing at once on
    /// unread bytes would reset the connection and lose the answer.
    func closeGently() {
        guard let context else { return }
        context.flush()
        context.close(mode: .output, promise: nil)
        context.eventLoop.assumeIsolated().scheduleTask(in: .seconds(1)) { [weak self] in
            self?.context?.close(promise: nil)
        }
        context.read()
    }
}
