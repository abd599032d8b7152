import Foundation
import Glibc
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

struct TimedOut: Error, CustomStringConvertible {
    let description: String
}

/// Looks again every few milliseconds, for a minute: many tests share a few threads.
func eventually<Value>(_ what: String, _ look: () throws -> Value?) async throws -> Value {
    let end = ContinuousClock.now.advanced(by: .seconds(60))
    while ContinuousClock.now < end {
        if let value = try look() { return value }
        try await Task.sleep(for: .milliseconds(4))
    }
    throw TimedOut(description: "waited in vain for \(what)")
}

/// One end of a TCP connection, scripted by a test.
final class Wire: Sendable {
    enum End: Equatable {
        case closed, reset
        /// By an alert of TLS, or without the word TLS ends with.
        case failed
    }

    fileprivate struct State {
        var bytes: [UInt8] = []
        var inputClosed = false
        var end: End?
        var failure: String?
    }

    /// Filled by the channel's handler, drained by the test.
    final class Inbox: Sendable {
        fileprivate let state = Mutex(State())
    }

    let channel: any Channel
    private let inbox: Inbox
    /// Lives as long as this end does.
    private let world: TwoHosts?

    init(_ channel: any Channel, _ inbox: Inbox, in world: TwoHosts? = nil) {
        self.channel = channel
        self.inbox = inbox
        self.world = world
    }

    /// - Parameters:
    ///   - beforeConnect: is given the port this end will have.
    static func connect(
        to address: SocketAddress, tls: NIOSSLContext? = nil, in world: TwoHosts? = nil,
        watching records: TLSRecords? = nil,
        beforeConnect: @escaping @Sendable (UInt16) -> Void = { _ in },
    ) async throws -> Wire {
        let inbox = Inbox()
        let made = Mutex<(any Channel)?>(nil)
        let bootstrap = try ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(to: SocketAddress(ipAddress: address.protocol == .inet6 ? "::1" : "127.0.0.1", port: 0))
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { channel in
                made.withLock { $0 = channel }
                beforeConnect(UInt16(channel.localAddress?.port ?? 0))
                return channel.eventLoop.makeCompletedFuture {
                    if let records { try channel.pipeline.syncOperations.addHandler(records) }
                    if let tls {
                        try channel.pipeline.syncOperations.addHandler(
                            NIOSSLClientHandler(context: tls, serverHostname: nil) { _, verdict in
                                verdict.succeed(.certificateVerified)
                            },
                        )
                    }
                    try channel.pipeline.syncOperations.addHandler(Collector(inbox))
                }
            }
        do {
            return Wire(try await bootstrap.connect(to: address).get(), inbox, in: world)
        } catch let error as IOError where error.errnoCode == ECONNRESET {
            // It was accepted, and reset before this thread had looked that it is connected.
            guard let channel = made.withLock({ $0 }) else { throw error }
            inbox.state.withLock { $0.end = .reset }
            return Wire(channel, inbox, in: world)
        }
    }

    func send(_ text: String) async throws { try await send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) async throws { try await channel.writeAndFlush(ByteBuffer(bytes: bytes)) }

    func closeOutput() async throws { try await channel.close(mode: .output) }

    func close() { channel.close(promise: nil) }

    func reset() async throws {
        guard let options = channel as? any SocketOptionProvider else { return }
        try await options.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
        let channel = channel
        try await channel.eventLoop.submit {
            // From in front of TLS, which would first say goodbye.
            let tls = try? channel.pipeline.syncOperations.context(handlerType: NIOSSLClientHandler.self)
            if let tls { tls.close(promise: nil) } else { channel.close(promise: nil) }
        }.get()
        try await channel.closeFuture.get()
    }

    /// Everything up to and including `text`, taken out of the inbox.
    @discardableResult
    func receive(through text: String) async throws -> String {
        try await String(decoding: receive(toEndOf: Array(text.utf8)), as: UTF8.self)
    }

    /// The same for bytes that are no text.
    @discardableResult
    func receive(toEndOf wanted: [UInt8]) async throws -> [UInt8] {
        try await eventually("\"\(String(decoding: wanted, as: UTF8.self))\", have \(String(describing: peek))") {
            self.inbox.state.withLock { state in
                guard let range = state.bytes.firstRange(of: wanted) else { return nil }
                defer { state.bytes.removeSubrange(..<range.upperBound) }
                return Array(state.bytes[..<range.upperBound])
            }
        }
    }

    func receive(count: Int) async throws -> [UInt8] {
        try await eventually("\(count) bytes, have \(inbox.state.withLock { $0.bytes.count })") {
            self.inbox.state.withLock { state in
                guard state.bytes.count >= count else { return nil }
                defer { state.bytes.removeFirst(count) }
                return Array(state.bytes[..<count])
            }
        }
    }

    /// What came and was not yet taken.
    var peek: String { inbox.state.withLock { String(decoding: $0.bytes, as: UTF8.self) } }

    func inputClosed() async throws {
        _ = try await eventually("the other half's end") {
            self.inbox.state.withLock { $0.inputClosed || $0.end != nil } ? true : nil
        }
    }

    func end() async throws -> End {
        try await eventually("the connection's end, have \(peek)") { self.inbox.state.withLock { $0.end } }
    }

    /// Whether it ends within the time, and how.
    func endsUncleanly() async throws -> Bool { try await end() == .reset }

    var hasEnded: Bool { inbox.state.withLock { $0.end != nil } }

    /// Nothing more comes from the other end, which may have reset or closed it.
    var isLeft: Bool { inbox.state.withLock { $0.inputClosed || $0.end != nil } }

    var failure: String? { inbox.state.withLock { $0.failure } }

    final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let inbox: Inbox

        init(_ inbox: Inbox) { self.inbox = inbox }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let bytes = unwrapInboundIn(data).readableBytesView
            inbox.state.withLock { $0.bytes.append(contentsOf: bytes) }
        }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if case .some(ChannelEvent.inputClosed) = event as? ChannelEvent {
                inbox.state.withLock { $0.inputClosed = true }
            }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            inbox.state.withLock {
                if $0.failure == nil { $0.failure = "\(error)" }
                if (error as? IOError)?.errnoCode == ECONNRESET, $0.end == nil { $0.end = .reset }
            }
            context.close(promise: nil)
        }

        func channelInactive(context: ChannelHandlerContext) {
            inbox.state.withLock { if $0.end == nil { $0.end = $0.failure == nil ? .closed : .failed } }
        }
    }
}

/// A listening application whose connections a test plays by hand.
final class Application: Sendable {
    private final class Accepted: Sendable {
        let wires = Mutex<[Wire]>([])
    }

    private let accepted: Accepted
    private let channel: any Channel
    private let closedPort = Mutex<ReservedPort?>(nil)
    let address: SocketAddress

    init() async throws {
        let accepted = Accepted()
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(NIOBSDSocket.Option(rawValue: SO_REUSEPORT)), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                let inbox = Wire.Inbox()
                accepted.wires.withLock { $0.append(Wire(channel, inbox)) }
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Wire.Collector(inbox))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        guard let address = channel.localAddress else { throw TimedOut(description: "no address") }
        self.address = address
        self.accepted = accepted
    }

    deinit { channel.close(promise: nil) }

    /// The next connection nobody took yet.
    func connection() async throws -> Wire {
        try await eventually("a connection at the application") {
            self.accepted.wires.withLock { $0.isEmpty ? nil : $0.removeFirst() }
        }
    }

    /// Connections that came and were not yet taken.
    var waiting: Int { accepted.wires.withLock { $0.count } }

    /// Listens no more. The port stays its own: another test's listener would answer there otherwise.
    func stop() async throws {
        try closedPort.withLock { $0 = try ReservedPort(address) }
        try await channel.close()
    }
}

/// A socket that is bound and does not listen: whoever connects is refused.
private struct ReservedPort: ~Copyable {
    private let descriptor: CInt

    /// - Parameter address: where a socket with SO_REUSEPORT listens.
    init(_ address: SocketAddress) throws {
        descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        var on: CInt = 1
        guard
            setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, socklen_t(MemoryLayout<CInt>.size)) == 0,
            address.withSockAddr({ bind(descriptor, $0, socklen_t($1)) == 0 })
        else {
            throw TimedOut(description: "the port cannot be kept: errno \(errno)")
        }
    }

    deinit { close(descriptor) }
}
