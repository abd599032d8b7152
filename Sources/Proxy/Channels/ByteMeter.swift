import NIOCore
import Synchronization

/// What a local application sent and was sent over one connection, in bytes of plain text.
///
/// Added to on the connection's event loop, read from anywhere.
final class ByteTally: Sendable {
    private let read = Atomic<UInt64>(0)
    private let written = Atomic<UInt64>(0)

    var fromApplication: UInt64 { read.load(ordering: .relaxed) }
    var toApplication: UInt64 { written.load(ordering: .relaxed) }

    func add(fromApplication bytes: Int) { read.wrappingAdd(UInt64(bytes), ordering: .relaxed) }

    func add(toApplication bytes: Int) { written.wrappingAdd(UInt64(bytes), ordering: .relaxed) }
}

/// Sits next to an application's socket, where there is never TLS, and counts what passes, whatever lane is behind it.
final class ByteMeter: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = IOData
    typealias OutboundOut = IOData

    private let tally: ByteTally

    init(_ tally: ByteTally) { self.tally = tally }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        tally.add(fromApplication: unwrapInboundIn(data).readableBytes)
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        tally.add(toApplication: unwrapOutboundIn(data).readableBytes)
        context.write(data, promise: promise)
    }
}
