import Glibc
import Limits
import NIOCore
import NIOPosix

/// Sits next to the socket, below TLS, and knows the two ways a connection ends.
///
/// Cut: the other end sees a reset, never an orderly close that it could take for the end of the data. Closed: what was
/// written before is with the kernel first. NIO drops what is still queued when a channel is closed, and closes the whole
/// of a channel as soon as both halves have ended, queue or not.
final class ConnectionCutter: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = IOData
    typealias OutboundOut = IOData

    private var context: ChannelHandlerContext?
    private var inputEnded = false

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func cut() {
        guard let context, context.channel.isActive else { return }
        // Linger on with zero seconds: close sends RST, whatever is unsent is dropped. Completes at once on the loop.
        if let options = context.channel as? any SocketOptionProvider {
            _ = options.setSoLinger(linger(l_onoff: 1, l_linger: 0))
        }
        context.close(promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .some(ChannelEvent.inputClosed) = event as? ChannelEvent { inputEnded = true }
        context.fireUserInboundEventTriggered(event)
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if mode == .input { return context.close(mode: mode, promise: promise) }
        boundWaiting(context)
        // Completes once everything written before is.
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.assumeIsolated().whenComplete { _ in
            context.close(mode: self.inputEnded ? .all : mode, promise: promise)
        }
        context.writeAndFlush(wrapOutboundOut(.byteBuffer(ByteBuffer())), promise: written)
    }

    /// The kernel gives up on a peer whose window stays shut, also after the socket is closed.
    private func boundWaiting(_ context: ChannelHandlerContext) {
        guard let options = context.channel as? any SocketOptionProvider else { return }
        let milliseconds = CUnsignedInt(Limits.Connection.lingering.components.seconds * 1000)
        let name = NIOBSDSocket.Option(rawValue: TCP_USER_TIMEOUT)
        _ = options.unsafeSetSocketOption(level: .tcp, name: name, value: milliseconds)
    }
}

extension Channel {
    /// Resets the connection; on its event loop only.
    func cut() {
        guard let cutter = try? pipeline.syncOperations.handler(type: ConnectionCutter.self) else {
            close(promise: nil)
            return
        }
        cutter.cut()
    }
}
