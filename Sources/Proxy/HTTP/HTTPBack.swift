import Gateway
import NIOCore
import NIOHTTP1

/// The end of an HTTP lane that answers come in at; replaced when the lane dials anew.
final class HTTPBack: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private var lane: HTTPLane?
    private var context: ChannelHandlerContext?

    private init(lane: HTTPLane) { self.lane = lane }

    /// Puts the HTTP client's codecs and this end onto an established channel.
    static func attach(to channel: any Channel, lane: HTTPLane, headerBytes: Int) throws -> HTTPBack {
        guard channel.isActive else { throw ProxyError.handshake("the peer closed the connection") }
        let back = HTTPBack(lane: lane)
        try channel.pipeline.syncOperations.addHandlers([HTTPAnswerCodec(headerBytes: headerBytes), back])
        return back
    }

    var isWritable: Bool { context?.channel.isWritable ?? false }
    var isActive: Bool { context?.channel.isActive ?? false }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { lane?.received(unwrapInboundIn(data)) }

    func channelReadComplete(context: ChannelHandlerContext) { lane?.answersRead() }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { lane?.requestsWelcome() }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        end(because: (error as? Refusal)?.reason ?? "the connection to the server failed: \(error)")
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .some(ChannelEvent.inputClosed) = event as? ChannelEvent else { return }
        if lane?.answersEnded() ?? false { return }
        end(because: "the server closed the connection")
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(because: "the server closed the connection")
        context.fireChannelInactive()
    }

    func write(_ part: HTTPClientRequestPart) { context?.write(wrapOutboundOut(part), promise: nil) }

    func flush() { context?.flush() }

    func read() { context?.read() }

    /// No more requests will come; the answer may.
    func closeOutput() {
        context?.flush()
        context?.close(mode: .output, promise: nil)
    }

    /// Lets go without a word to the lane.
    func abandon() {
        lane = nil
        context?.channel.cut()
    }

    /// Ends an idle connection in order.
    func retire() {
        lane = nil
        context?.close(promise: nil)
    }

    private func end(because reason: String) {
        let lane = self.lane
        self.lane = nil
        context?.channel.cut()
        lane?.backEnded(self, because: reason)
    }
}
