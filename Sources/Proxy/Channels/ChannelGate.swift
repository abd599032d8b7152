import NIOCore
import NIOTLS

/// Holds what arrives on a channel while it is not yet known what to do with it.
///
/// Event-loop confined, as every handler here. Opening it hands everything on in order and takes the gate out.
final class ChannelGate: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private enum Held {
        case bytes(ByteBuffer)
        case event(any Sendable)
        case error(any Error)
    }

    private enum Awaited {
        case nothing
        case firstByte(EventLoopPromise<UInt8>)
        case handshake(EventLoopPromise<Void>)
    }

    private var held: [Held] = []
    private var awaited = Awaited.nothing
    private var context: ChannelHandlerContext?
    private var handshake: Result<Void, any Error>?

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        fail(ProxyError.clientGone)
    }

    /// Reads until there is one byte, which stays in front of the others.
    func firstByte(within limit: Duration) -> EventLoopFuture<UInt8>? {
        guard let context else { return nil }
        let promise = context.eventLoop.makePromise(of: UInt8.self)
        awaited = .firstByte(promise)
        for case .bytes(let buffer) in held { succeedFirstByte(buffer) }
        if case .failure(let error) = handshake { fail(error) }
        expire(after: limit, "the first byte")
        context.read()
        return promise.futureResult
    }

    /// Completes when the TLS handler in front of this one does.
    func handshake(within limit: Duration) -> EventLoopFuture<Void>? {
        guard let context else { return nil }
        let promise = context.eventLoop.makePromise(of: Void.self)
        if let handshake {
            promise.completeWith(handshake)
            return promise.futureResult
        }
        awaited = .handshake(promise)
        expire(after: limit, "the TLS handshake")
        context.read()
        return promise.futureResult
    }

    func open() {
        guard let context else { return }
        let held = self.held
        self.held = []
        for item in held { replay(item, context) }
        context.fireChannelReadComplete()
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        held.append(.bytes(buffer))
        succeedFirstByte(buffer)
    }

    /// Nothing goes on yet.
    func channelReadComplete(context: ChannelHandlerContext) {}

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case let event as TLSUserEvent:
            if case .handshakeCompleted = event { succeedHandshake() }
        case let event as ChannelEvent:
            held.append(.event(event))
            if case .inputClosed = event { fail(ProxyError.clientGone) }
        default: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        held.append(.error(error))
        fail(error)
    }

    func channelInactive(context: ChannelHandlerContext) {
        fail(ProxyError.clientGone)
        context.fireChannelInactive()
    }

    private func replay(_ item: Held, _ context: ChannelHandlerContext) {
        switch item {
        case .bytes(let buffer): context.fireChannelRead(wrapInboundOut(buffer))
        case .event(let event): context.fireUserInboundEventTriggered(event)
        case .error(let error): context.fireErrorCaught(error)
        }
    }

    private func succeedFirstByte(_ buffer: ByteBuffer) {
        guard case .firstByte(let promise) = awaited, let byte = buffer.readableBytesView.first else { return }
        awaited = .nothing
        promise.succeed(byte)
    }

    private func succeedHandshake() {
        handshake = .success(())
        guard case .handshake(let promise) = awaited else { return }
        awaited = .nothing
        promise.succeed()
    }

    private func fail(_ error: any Error) {
        if handshake == nil { handshake = .failure(error) }
        let awaited = self.awaited
        self.awaited = .nothing
        switch awaited {
        case .nothing: break
        case .firstByte(let promise): promise.fail(error)
        case .handshake(let promise): promise.fail(error)
        }
    }

    private func expire(after limit: Duration, _ what: String) {
        guard let context else { return }
        let timer = context.eventLoop.assumeIsolated().scheduleTask(in: limit.timeAmount) {
            self.fail(ProxyError.tooLate(what, limit: limit))
        }
        switch awaited {
        case .nothing: timer.cancel()
        case .firstByte(let promise): promise.futureResult.whenComplete { _ in timer.cancel() }
        case .handshake(let promise): promise.futureResult.whenComplete { _ in timer.cancel() }
        }
    }
}
