import Glibc
import Limits
import NIOCore
import NIOPosix
import NIOSSL

/// How this proxy's channels are made: closed for reading until a lane asks, halves closed apart, gate in place.
enum ProxyChannel {
    /// Takes over the connected socket of a peer; the descriptor is the channel's from here on.
    static func adopt(_ descriptor: CInt, on eventLoop: any EventLoop) async throws -> any Channel {
        try await bootstrap(on: eventLoop) { [ConnectionCutter(), ChannelGate()] }
            .withConnectedSocket(descriptor).get()
    }

    /// The same with the socket of a local application, whose bytes are counted.
    static func adopt(
        _ descriptor: CInt, counting bytes: ByteTally, on eventLoop: any EventLoop,
    ) async throws -> any Channel {
        try await bootstrap(on: eventLoop) { [ConnectionCutter(), ByteMeter(bytes), ChannelGate()] }
            .withConnectedSocket(descriptor).get()
    }

    /// The same, and starts TLS as its client; the handshake is awaited on the gate.
    static func adopt(
        _ descriptor: CInt, tls: NIOSSLContext, check: PeerCheck, on eventLoop: any EventLoop,
    ) async throws -> any Channel {
        let channel = try await bootstrap(on: eventLoop) {
            let handshake = try NIOSSLClientHandler(
                context: tls, serverHostname: nil, customVerificationCallback: check.verify,
            )
            return [ConnectionCutter(), handshake, ChannelGate()]
        }.withConnectedSocket(descriptor).get()
        channel.closeFuture.whenComplete { _ in check.abandon() }
        return channel
    }

    /// A host that vanished without a word is noticed after two minutes of silence: its connections would never end.
    private static func bootstrap(
        on eventLoop: any EventLoop, handlers: @escaping @Sendable () throws -> [any ChannelHandler],
    ) -> ClientBootstrap {
        ClientBootstrap(group: eventLoop)
            .channelOption(.autoRead, value: false)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelOption(.tcpOption(.init(rawValue: TCP_KEEPIDLE)), value: seconds(Limits.Connection.keepAlive))
            .channelOption(.tcpOption(.init(rawValue: TCP_KEEPINTVL)), value: seconds(Limits.Connection.keepAlivePause))
            .channelOption(.tcpOption(.init(rawValue: TCP_KEEPCNT)), value: Limits.Connection.keepAliveTries)
            .channelOption(.recvAllocator, value: receiveSizes)
            .channelOption(.writeBufferWaterMark, value: writeMarks)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers(handlers())
                }
            }
    }

    private static func seconds(_ time: Duration) -> Int { Int(time / .seconds(1)) }

    private static let writeMarks = ChannelOptions.Types.WriteBufferWaterMark(
        low: Limits.Connection.writeAgainBytes, high: Limits.Connection.writeBytes)

    /// Small while idle, large when it matters: 4 KiB a quiet connection, 256 KiB a busy one.
    private static let receiveSizes = AdaptiveRecvByteBufferAllocator(
        minimum: Limits.Connection.quietReadBytes, initial: Limits.Connection.quietReadBytes,
        maximum: Limits.Connection.readBytes)
}

extension Channel {
    /// On the channel's event loop only.
    func gate() throws -> ChannelGate {
        try pipeline.syncOperations.handler(type: ChannelGate.self)
    }
}
