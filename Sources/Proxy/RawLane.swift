import NIOCore

/// Bytes as they are, both ways; reads no faster than the other side writes, and keeps the two halves' ends apart.
final class RawLane: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var partner: RawLane?
    private var context: ChannelHandlerContext?
    private var inputClosed = false
    private var outputClosed = false

    /// Lets both sides' bytes flow; on their common event loop.
    static func join(_ left: any Channel, _ right: any Channel) throws {
        guard left.isActive, right.isActive else { throw ProxyError.clientGone }
        let (leftEnd, rightEnd) = (RawLane(), RawLane())
        leftEnd.partner = rightEnd
        rightEnd.partner = leftEnd
        try left.pipeline.syncOperations.addHandler(leftEnd)
        try right.pipeline.syncOperations.addHandler(rightEnd)
        try left.gate().open()
        try right.gate().open()
        leftEnd.readWhileWelcome()
        rightEnd.readWhileWelcome()
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        partner?.context?.write(data, promise: nil)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        partner?.context?.flush()
        readWhileWelcome()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { partner?.readWhileWelcome() }
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .some(ChannelEvent.inputClosed) = event as? ChannelEvent, !inputClosed else { return }
        inputClosed = true
        partner?.closeOutput()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // After both ends said goodbye nothing can be lost; before, the other side must not take this for an end.
        if inputClosed && outputClosed { return }
        let partner = self.partner
        context.channel.cut()
        partner?.context?.channel.cut()
    }

    func channelInactive(context: ChannelHandlerContext) {
        let partner = self.partner
        self.partner = nil
        if inputClosed || outputClosed {
            partner?.context?.close(promise: nil)
        } else {
            partner?.context?.channel.cut()
        }
        context.fireChannelInactive()
    }

    private func closeOutput() {
        guard let context, !outputClosed else { return }
        outputClosed = true
        context.flush()
        context.close(mode: .output, promise: nil)
    }

    private func readWhileWelcome() {
        guard let context, !inputClosed, let other = partner?.context, other.channel.isWritable else { return }
        context.read()
    }
}
