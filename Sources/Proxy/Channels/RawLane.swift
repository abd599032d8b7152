import Limits
import NIOCore

/// Bytes as they are, both ways; reads no faster than the other side writes. The two directions are independent to the
/// end: each ends when its sender says so, and the other one goes on.
final class RawLane: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var partner: RawLane?
    private var context: ChannelHandlerContext?
    /// Whoever is at this side sends nothing more, and what it sent was handed on.
    private var inputEnded = false
    private var isJoined = false
    /// Whoever is at this side was told that nothing more comes.
    private var outputEnded = false
    /// An error was seen: the other side must not take this for an end.
    private var isBroken = false
    /// Nobody takes what comes in here any more.
    private var isDiscarding = false

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
        for end in [leftEnd, rightEnd] {
            // Not before both gates are open: an end that closes its channel would lose what the gate holds.
            end.isJoined = true
            if end.inputEnded { end.partner?.endOutput() }
        }
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
        if case .some(ChannelEvent.inputClosed) = event as? ChannelEvent { endInput() }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // After both ends said goodbye nothing can be lost; before, the other side must not take this for an end.
        if inputEnded && outputEnded { return }
        isBroken = true
        let partner = self.partner
        context.channel.cut()
        partner?.context?.channel.cut()
    }

    func channelInactive(context: ChannelHandlerContext) {
        let partner = self.partner
        self.partner = nil
        if !isBroken {
            if outputEnded {
                // Both halves have ended, and NIO or TLS closed the whole without a word of the second.
                inputEnded = true
                partner?.endOutput()
            } else if inputEnded {
                partner?.loseReader()
            } else {
                partner?.context?.channel.cut()
            }
        }
        context.fireChannelInactive()
    }

    private func endInput() {
        guard !inputEnded else { return }
        inputEnded = true
        if isJoined { partner?.endOutput() }
    }

    private func endOutput() {
        guard let context, !outputEnded else { return }
        outputEnded = true
        context.flush()
        context.close(mode: .output, promise: nil)
    }

    /// Nobody takes any more what this side sends. What was sent to it before is delivered; then it is told.
    private func loseReader() {
        guard let context else { return }
        partner = nil
        isDiscarding = true
        let channel = context.channel
        context.eventLoop.assumeIsolated().scheduleTask(in: Limits.Connection.refusal.timeAmount) { channel.cut() }
        context.read()
    }

    private func readWhileWelcome() {
        if isDiscarding { context?.read() }
        guard let context, !inputEnded, let other = partner?.context, other.channel.isWritable else { return }
        context.read()
    }
}
