import Gateway
import Limits
import NIOCore
import NIOHTTP1

/// The end of an HTTP lane that requests come in at.
final class HTTPFront: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private var lane: HTTPLane?
    private var context: ChannelHandlerContext?

    private let codec: HTTPRequestCodec
    private var outputEnded = false

    init(lane: HTTPLane, codec: HTTPRequestCodec) {
        self.lane = lane
        self.codec = codec
    }

    var isWritable: Bool { context?.channel.isWritable ?? false }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { lane?.received(unwrapInboundIn(data)) }

    func channelReadComplete(context: ChannelHandlerContext) {
        lane?.requestsRead(isInHead: codec.isInHead)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { lane?.answersWelcome() }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let refusal = error as? Refusal {
            lane?.failed(toParse: refusal)
        } else {
            lane?.frontEnded()
            cut()
        }
    }

    /// A client that asked and closed its half waits for the answer; one that is gone resets what is sent to it.
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .some(ChannelEvent.inputClosed) = event as? ChannelEvent { lane?.requestsEnded() }
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
        context.read()
        if outputEnded { return closeSoon() }
        let said = context.eventLoop.makePromise(of: Void.self)
        said.futureResult.assumeIsolated().whenComplete { [weak self] _ in
            self?.closeSoon()
        }
        context.flush()
        context.close(mode: .output, promise: said)
    }

    private func closeSoon() {
        guard let context else { return }
        context.eventLoop.assumeIsolated().scheduleTask(in: Limits.Connection.refusal.timeAmount) { [weak self] in
            self?.context?.close(promise: nil)
        }
    }

    /// No more answers will come; what the client still sends is taken.
    func closeOutput() {
        outputEnded = true
        context?.flush()
        context?.close(mode: .output, promise: nil)
    }
}
