import Glibc
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
            .channelOption(.tcpOption(.init(rawValue: TCP_KEEPIDLE)), value: 60)
            .channelOption(.tcpOption(.init(rawValue: TCP_KEEPINTVL)), value: 15)
            .channelOption(.tcpOption(.init(rawValue: TCP_KEEPCNT)), value: 4)
            .channelOption(.recvAllocator, value: receiveSizes)
            .channelOption(.writeBufferWaterMark, value: .init(low: 64 * 1024, high: 256 * 1024))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers(handlers())
                }
            }
    }

    /// Small while idle, large when it matters: 4 KiB a quiet connection, 256 KiB a busy one.
    private static let receiveSizes = AdaptiveRecvByteBufferAllocator(minimum: 4096, initial: 4096, maximum: 262_144)
}

extension Channel {
    /// On the channel's event loop only.
    func gate() throws -> ChannelGate {
        try pipeline.syncOperations.handler(type: ChannelGate.self)
    }
}
