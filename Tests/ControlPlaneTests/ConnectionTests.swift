@testable import ControlPlane
import ControlPlaneAPI
import Crypto
import Foundation
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import SPIFFE
import Synchronization
import Testing

/// Strangers that keep connections open, against the real listeners.
@Suite struct ConnectionTests {
    private static func serve(
        connections: Int = 40, _ change: @Sendable (inout ConnectionDeadlines) -> Void = { _ in },
        _ body: @Sendable (TestControlPlane) async throws -> Void,
    ) async throws {
        let directory = TestControlPlane.temporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        try await TestControlPlane.serve(
            in: directory,
            adjusting: { configuration in
                configuration.maximumConnections = connections
                change(&configuration.deadlines)
            }, body)
    }

    @Test func `mute connections in any number leave room for agents, and the oldest go first`() async throws {
        try await Self.serve({ $0.handshake = .seconds(120) }) { plane in
            let mute = try await (0..<60).asyncMap { _ in try await Stranger.connect(to: plane) }
            try await mute[0].closed()
            // Which of those that came last are admitted last is up to the event loops.
            #expect(mute.contains { $0.isOpen })
            let agent = try await plane.agent()
            try await plane.withClient(as: agent) { try await $0.acknowledge(Acknowledgement(version: 1)) }
            for stranger in mute { stranger.close() }
        }
    }

    @Test func `an agent's stream goes on under a flood of strangers and over every deadline`() async throws {
        try await Self.serve(connections: 40) { deadlines in
            // Long enough for honest calls on a busy machine, and all of them over within the sleep below.
            deadlines.request = .seconds(3)
            deadlines.requestHead = .seconds(3)
            deadlines.idle = .seconds(3)
        } _: { plane in
            let agent = try await plane.agent()
            try await plane.withClient(as: agent) { client in
                var snapshots = client.snapshots().makeAsyncIterator()
                let first = try #require(try await snapshots.next())
                let mute = try await (0..<80).asyncMap { _ in try await Stranger.connect(to: plane) }
                try await mute[0].closed()
                try await Task.sleep(for: .seconds(4))
                _ = try await plane.apply(Manifests.identity("weather-agent"))
                let second = try #require(try await snapshots.next())
                #expect(second.version > first.version)
                for stranger in mute { stranger.close() }
            }
        }
    }

    @Test func `a connection without a handshake is closed`() async throws {
        try await Self.serve({ $0.handshake = .milliseconds(200) }) { plane in
            try await Stranger.connect(to: plane).closed()
        }
    }

    @Test func `a head that comes a byte at a time is cut, with and without TLS`() async throws {
        try await Self.serve({ $0.requestHead = .milliseconds(300) }) { plane in
            for stranger in [try await Stranger.connect(to: plane, tls: true), try await Stranger.operators(of: plane)]
            {
                try await stranger.drip("GET /healthz HTTP/1.1\r\nA: ")
                try await stranger.closed()
            }
        }
    }

    @Test func `a body that comes a byte at a time is cut`() async throws {
        try await Self.serve({ $0.request = .milliseconds(300) }) { plane in
            let stranger = try await Stranger.connect(to: plane, tls: true)
            try await stranger.send(
                "POST /v1/agents/attest HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
            try await stranger.drip("x")
            try await stranger.closed()
        }
    }

    @Test func `a kept connection on which nothing moves is closed`() async throws {
        try await Self.serve({ $0.idle = .milliseconds(300) }) { plane in
            let stranger = try await Stranger.connect(to: plane, tls: true)
            try await stranger.send("GET /bundle HTTP/1.1\r\nHost: a\r\n\r\n")
            try await stranger.closed()
            #expect(stranger.received.hasPrefix("HTTP/1.1 200"))
        }
    }

    @Test func `workloads of however many hosts hold half of the places, and agents find the others`() throws {
        let door = ConnectionDoor(
            capacity: 100, logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        func source(_ host: Int) throws -> ConnectionDoor.Source {
            ConnectionDoor.Source(try SocketAddress(ipAddress: "10.0.\(host).1", port: 1))
        }
        func hold(_ host: Int, as holder: ConnectionDoor.Holder) throws -> Bool {
            let ticket = try door.admit(strangerFrom: source(host)) {}
            guard door.vouch(ticket, for: holder) != nil else { return true }
            door.release(ticket)
            return false
        }
        let workloads = try (0..<90).filter { try hold($0, as: .workloads(of: source($0))) }
        #expect(workloads.count == 45)
        let agents = try (0..<90).filter {
            try hold($0, as: .agent(SPIFFEID("spiffe://prod.example/tidemark/agent/a\($0)")))
        }
        #expect(agents.count == 45)
    }

    @Test func `who is turned away at a full door is told that, and not that nobody is there`() async throws {
        try await Self.serve(connections: 20) { plane in
            let error = try await Self.eventuallyRefused(at: plane)
            guard case .turnedAway = error else {
                Issue.record("\(error)")
                return
            }
        }
    }

    /// Strangers that have spoken hold the door for a moment; who comes within it is refused.
    private static func eventuallyRefused(at plane: TestControlPlane) async throws -> ControlPlaneError {
        for _ in 0..<500 {
            let strangers = try await (0..<2).asyncMap { _ in try await Stranger.connect(to: plane) }
            for stranger in strangers { try? await stranger.send("\u{16}") }
            do {
                try await plane.withClient { try await $0.acknowledge(Acknowledgement(version: 1)) }
            } catch let error as ControlPlaneError {
                for stranger in strangers { stranger.close() }
                // Where it got in it has no certificate.
                guard case .problem = error else { return error }
            }
        }
        throw ControlPlaneError.unexpected(address: plane.address, status: 200, reason: "never refused")
    }

    @Test func `an agent makes its address known, and one that is banned, deleted or replaced does not`() async throws {
        try await Self.serve { plane in
            let source = ConnectionDoor.Source(try SocketAddress(ipAddress: "127.0.0.1", port: 1))
            let use = { (agent: X509SVID) in
                await problem { try await plane.withClient(as: agent) { try await $0.acknowledge(.init(version: 1)) } }
            }
            let banned = try await plane.agent(name: "banned")
            _ = try await plane.operators.banAgent(group: "weather", name: "banned")
            let deleted = try await plane.agent(name: "deleted")
            _ = try await plane.operators.deleteAgent(group: "weather", name: "deleted")
            let old = try await plane.agent(name: "renewed")
            let key = P256.Signing.PrivateKey()
            plane.clock.advance(by: 10)
            // At no connection of its own.
            let (desk, peer) = (AgentDesk(state: plane.state), Peer(id: old.id, leaf: old.leaf))
            let new = try TestControlPlane.svid(
                try await desk.renew(
                    RenewRequest(csr: try TestControlPlane.signingRequest(key)), for: try await desk.agent(peer),
                    showing: peer), key)
            #expect(await use(banned) == "agent_evicted")
            #expect(await use(deleted) == "not_an_agent")
            #expect(await use(old) == nil)
            #expect(await use(new) == nil)
            #expect(await use(old) == nil)
            #expect(!plane.door.isKnown(source))
            #expect(await use(new) == nil)
            #expect(plane.door.isKnown(source))
        }
    }

    @Test func `of IPv6 addresses a whole network of 64 bits is one source`() throws {
        func source(_ address: String) throws -> ConnectionDoor.Source {
            ConnectionDoor.Source(try SocketAddress(ipAddress: address, port: 1))
        }
        #expect(try source("2001:db8::1") == source("2001:db8::ffff:1"))
        #expect(try source("2001:db8::1") != source("2001:db8:0:1::1"))
        #expect(try source("192.0.2.1") == source("::ffff:192.0.2.1"))
        #expect(try source("192.0.2.1") != source("192.0.2.2"))
    }
}

/// A connection without credentials.
private final class Stranger: Sendable {
    private let channel: any Channel
    private let inbox: Inbox

    private final class Inbox: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        let text = Mutex("")

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let bytes = unwrapInboundIn(data).readableBytesView
            text.withLock { $0 += String(decoding: bytes, as: UTF8.self) }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }

    private init(_ channel: any Channel, _ inbox: Inbox) {
        self.channel = channel
        self.inbox = inbox
    }

    static func connect(to plane: TestControlPlane, tls: Bool = false) async throws -> Stranger {
        let port = try #require(URL(string: plane.address)?.port)
        return try await connect(tls: tls) { try await $0.connect(host: "127.0.0.1", port: port).get() }
    }

    static func operators(of plane: TestControlPlane) async throws -> Stranger {
        try await connect(tls: false) { try await $0.connect(unixDomainSocketPath: plane.operators.socket).get() }
    }

    private static func connect(
        tls: Bool, _ dial: (ClientBootstrap) async throws -> any Channel,
    ) async throws -> Stranger {
        let inbox = Inbox()
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.certificateVerification = .none
        let context = try NIOSSLContext(configuration: configuration)
        let bootstrap = ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                if tls {
                    let handler = try NIOSSLClientHandler(context: context, serverHostname: nil)
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
                try channel.pipeline.syncOperations.addHandler(inbox)
            }
        }
        return Stranger(try await dial(bootstrap), inbox)
    }

    var isOpen: Bool { channel.isActive }
    var received: String { inbox.text.withLock { $0 } }

    func send(_ text: String) async throws { try await channel.writeAndFlush(ByteBuffer(string: text)) }

    /// One byte after another, the last one again and again, until the connection ends.
    func drip(_ text: String) async throws {
        var rest = Substring(text)
        let end = ContinuousClock.now.advanced(by: .seconds(20))
        while channel.isActive, ContinuousClock.now < end {
            try? await send(String(rest.prefix(1)))
            if rest.count > 1 { rest = rest.dropFirst() }
            try await Task.sleep(for: .milliseconds(40))
        }
    }

    func close() { channel.close(promise: nil) }

    /// Fails after twenty seconds.
    func closed() async throws {
        let end = ContinuousClock.now.advanced(by: .seconds(20))
        while channel.isActive {
            try #require(ContinuousClock.now < end, "the connection is still open")
            try await Task.sleep(for: .milliseconds(10))
        }
    }
}

extension Sequence where Element: Sendable {
    fileprivate func asyncMap<Value>(_ work: (Element) async throws -> Value) async throws -> [Value] {
        var values: [Value] = []
        for element in self { values.append(try await work(element)) }
        return values
    }
}
