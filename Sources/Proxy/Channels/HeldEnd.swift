import NIOCore

/// Sits below a TLS server and keeps the end of its client's sending back while the handshake goes on here.
///
/// A client of TLS 1.3 is through one flight earlier: its question, its goodbye and the end of its half may all be here
/// while its certificate is still being verified. They are no failure of the handshake, as NIOSSL has it.
final class HeldEnd: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    private var context: ChannelHandlerContext?
    private var isHeld = false

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .some(ChannelEvent.inputClosed) = event as? ChannelEvent else {
            return context.fireUserInboundEventTriggered(event)
        }
        isHeld = true
    }

    /// To be called when the handshake is over, and what came with its last flight was read.
    func release() {
        guard let context else { return }
        if isHeld { context.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }
        isHeld = false
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
    }
}
