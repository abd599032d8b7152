import Crypto
import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import SPIFFE
import Synchronization
import Testing

@Suite struct SessionTicketTests {
    @Test(arguments: [false, true])
    func `no session ticket is sent`(_ hasCertificate: Bool) async throws {
        try await TestControlPlane.serve { plane in
            var tls = TLSConfiguration.makeClientConfiguration()
            tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(plane.caPEM.utf8)))
            if hasCertificate {
                let agent = try await plane.agent()
                tls.certificateChain = try agent.chain.map {
                    .certificate(try NIOSSLCertificate(bytes: $0.derBytes(), format: .der))
                }
                tls.privateKey = .privateKey(
                    try NIOSSLPrivateKey(bytes: Array(agent.privateKey.derRepresentation), format: .der))
            }
            let tally = try await Self.ask(plane, NIOSSLContext(configuration: tls))
            // A record has a header of 5 bytes, a type of 1 and a tag of 16: RFC 8446, sections 5.1 and 5.2. The answer fills them.
            #expect(tally.records > 0)
            #expect(tally.wireBytes == tally.plainBytes + 22 * tally.records)
        }
    }

    /// - Returns: what came after the handshake, up to the end of the answer. Tickets would come before that.
    private static func ask(_ plane: TestControlPlane, _ tls: NIOSSLContext) async throws -> Tally {
        let (wire, answer) = (WireRecords(), Answer(end: #""serving"}"#))
        let port = try #require(URL(string: plane.address)?.port)
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(wire)
                    try pipeline.addHandler(NIOSSLClientHandler(context: tls, serverHostname: nil))
                    try pipeline.addHandler(answer)
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        let request = "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        // Written as soon as the handshake is done here, with its last message: the server has not read that yet.
        let written = channel.writeAndFlush(ByteBuffer(string: request)).map { wire.restart() }
        try await written.get()
        await answer.complete()
        let tally = wire.tally(plainBytes: answer.bytes)
        try await channel.close()
        return tally
    }
}

private struct Tally {
    var records: Int
    var wireBytes: Int
    var plainBytes: Int
}

/// The TLS records that come in.
private final class WireRecords: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let bytes = Mutex<[UInt8]>([])

    func restart() { bytes.withLock { $0 = [] } }

    func tally(plainBytes: Int) -> Tally {
        bytes.withLock { bytes in
            var (records, place) = (0, 0)
            while place + 5 <= bytes.count {
                place += 5 + (Int(bytes[place + 3]) << 8 | Int(bytes[place + 4]))
                records += 1
            }
            return Tally(records: records, wireBytes: bytes.count, plainBytes: plainBytes)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let read = unwrapInboundIn(data).readableBytesView
        bytes.withLock { $0.append(contentsOf: read) }
        context.fireChannelRead(data)
    }
}

/// What was in them, until it ends as it has to; or the connection does.
private final class Answer: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer

    private let end: String
    private let text = Mutex("")
    private let ended = AsyncStream.makeStream(of: Never.self)

    init(end: String) { self.end = end }

    var bytes: Int { text.withLock { $0.utf8.count } }

    func complete() async { for await _ in ended.stream {} }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let more = String(buffer: unwrapInboundIn(data))
        let isComplete = text.withLock { text in
            text += more
            return text.hasSuffix(end)
        }
        if isComplete { ended.continuation.finish() }
    }

    func channelInactive(context: ChannelHandlerContext) { ended.continuation.finish() }
}
