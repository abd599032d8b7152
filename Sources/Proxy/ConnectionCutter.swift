import Glibc
import NIOCore

/// Sits next to the socket, below TLS, and can end the connection at once: the other end sees a reset, never an orderly
/// close that it could take for the end of the data.
final class ConnectionCutter: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = IOData

    private var context: ChannelHandlerContext?

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
