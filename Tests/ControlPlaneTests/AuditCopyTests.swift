@testable import ControlPlane
import ControlPlaneAPI
import Foundation
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization
import Testing

/// Checkpoints that are posted to a server.
@Suite struct AuditCopyTests {
    @Test func `a checkpoint is posted as JSON to the path that was given`() async throws {
        try await Self.serve { plane, place, log in
            try await Self.keeper(plane, [try #require(AuditCopy(place.address))]).keep(logger: log.logger)
            let post = try #require(place.posts.first)
            #expect(place.posts.count == 1)
            #expect(post.head.method == .POST && post.head.uri == "/audit?of=test")
            #expect(post.head.headers["content-type"] == ["application/json"])
            let told = try JSONDecoder().decode(AuditCheckpoint.self, from: post.body)
            #expect(plane.state.audit.key.vouches(for: told))
            #expect(try await plane.operators.verifyAudit(expecting: "\(told.head):\(told.count)").intact)
            #expect(log.errors.isEmpty)
        }
    }

    @Test(arguments: [HTTPResponseStatus.internalServerError, .forbidden, .found, .notFound])
    func `a refused one is told, holds nothing up, and the next one stands for it`(
        _ status: HTTPResponseStatus
    ) async throws {
        try await Self.serve { plane, place, log in
            let file = plane.directory.appending(path: "outside").path
            let keeper = Self.keeper(plane, [try #require(AuditCopy(place.address)), .file(file)])
            place.answer(status)
            try await keeper.keep(logger: log.logger)
            #expect(log.errors == ["audit checkpoint not carried to \(place.address): it answered \(status.code)"])
            #expect(try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n").count == 1)

            place.answer(.noContent)
            // Nothing was recorded since: the refused one is not posted again, a newer one is.
            try await keeper.keep(logger: log.logger)
            #expect(place.posts.count == 1)
            _ = try await plane.apply(Manifests.identity("later"))
            try await keeper.keep(logger: log.logger)
            #expect(place.posts.count == 2 && log.errors.count == 1)
            let told = try place.posts.map { try JSONDecoder().decode(AuditCheckpoint.self, from: $0.body) }
            #expect(told[1].count > told[0].count)
            #expect(try await plane.operators.verifyAudit(expecting: "\(told[1].head):\(told[1].count)").intact)
        }
    }

    @Test func `a place that is away is told, and holds nothing up`() async throws {
        try await Self.serve { plane, place, log in
            try await place.stop()
            let file = plane.directory.appending(path: "outside").path
            try await Self.keeper(plane, [try #require(AuditCopy(place.address)), .file(file)]).keep(logger: log.logger)
            #expect(log.errors.count == 1)
            #expect(log.errors.first?.hasPrefix("audit checkpoint not carried to \(place.address): ") == true)
            #expect(FileManager.default.fileExists(atPath: file))
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `a place that takes a connection and never answers keeps no other waiting`() async throws {
        try await Self.serve { plane, place, log in
            let (accepted, accept) = AsyncStream.makeStream(of: (any Channel).self)
            let mute = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .childChannelInitializer { channel in
                    accept.yield(channel)
                    return channel.eventLoop.makeSucceededVoidFuture()
                }
                .bind(host: "127.0.0.1", port: 0).get()
            let address = "http://127.0.0.1:\(mute.localAddress?.port ?? 0)/"
            let file = plane.directory.appending(path: "outside").path
            let keeper = Self.keeper(
                plane, [try #require(AuditCopy(address)), .file(file), try #require(AuditCopy(place.address))])
            async let kept: Void = keeper.keep(logger: log.logger)
            while place.posts.isEmpty || !FileManager.default.fileExists(atPath: file) {
                try await Task.sleep(for: .milliseconds(5))
            }
            // The first one is waited for as yet.
            #expect(log.errors.isEmpty)
            try await mute.close()
            try await accepted.first { _ in true }?.close()
            try await kept
            #expect(log.errors.count == 1)
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `a file system that hangs holds one thread, is told, and keeps no other waiting`() async throws {
        let hang = DispatchSemaphore(value: 0)
        let written = Mutex<[String]>([])
        let carrier = AuditCarrier(limit: .milliseconds(50)) { _, path in
            if path == "/hangs" { hang.wait() }
            written.withLock { $0.append(path) }
        }
        let checkpoint = AuditCheckpoint(count: 1, head: "h", signature: "s")
        let places: [AuditCopy] = [.file("/hangs"), .file("/works")]
        let late = try await carrier.carry(checkpoint, to: places)
        #expect(late.map(\.0) == [.file("/hangs")])
        #expect(late.first?.1 as? AuditCopyError == .late(.milliseconds(50)))
        let stuck = try await carrier.carry(checkpoint, to: places)
        #expect(stuck.map(\.0) == [.file("/hangs")])
        #expect(stuck.first?.1 as? AuditCopyError == .stuck)
        #expect(written.withLock { $0 } == ["/works", "/works"])
        hang.signal()
        while written.withLock({ $0.count }) < 3 { try await Task.sleep(for: .milliseconds(5)) }
        hang.signal()
        while try await carrier.carry(checkpoint, to: places).contains(where: { $0.1 as? AuditCopyError == .stuck }) {
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    private static func serve(
        _ body: @Sendable @escaping (TestControlPlane, PostBox, LogBook) async throws -> Void
    ) async throws {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(Manifests.identity("alpha"))
            let place = try await PostBox()
            let outcome: Result<Void, any Error>
            do { outcome = .success(try await body(plane, place, LogBook())) } catch { outcome = .failure(error) }
            try await place.stop()
            try outcome.get()
        }
    }

    private static func keeper(_ plane: TestControlPlane, _ copies: [AuditCopy]) -> AuditKeeper {
        let keeper = plane.state.audit
        return AuditKeeper(
            store: keeper.store, key: keeper.key, retention: keeper.retention, copies: copies, now: keeper.now)
    }
}

/// A server that keeps what is posted to it, and answers as it is told.
private final class PostBox: Sendable {
    struct Post {
        var head: HTTPRequestHead
        var body: Data
    }

    private struct State {
        var status = HTTPResponseStatus.ok
        var posts: [Post] = []
        var isStopped = false
    }

    let address: String
    private let listener: any Channel
    private let state: Box

    /// Shared with the connections' handlers.
    private final class Box: Sendable {
        let value = Mutex(State())
    }

    init() async throws {
        let state = Box()
        listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(Connection(state))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        self.state = state
        address = "http://127.0.0.1:\(listener.localAddress?.port ?? 0)/audit?of=test"
    }

    var posts: [Post] { state.value.withLock { $0.posts } }

    func answer(_ status: HTTPResponseStatus) { state.value.withLock { $0.status = status } }

    func stop() async throws {
        let wasStopped = state.value.withLock { state in
            defer { state.isStopped = true }
            return state.isStopped
        }
        if !wasStopped { try await listener.close() }
    }

    private final class Connection: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart

        private let state: Box
        private var head: HTTPRequestHead?
        private var body = Data()

        init(_ state: Box) { self.state = state }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head): (self.head, body) = (head, Data())
            case .body(let bytes): body.append(contentsOf: bytes.readableBytesView)
            case .end:
                let status = state.value.withLock { state in
                    if let head { state.posts.append(Post(head: head, body: body)) }
                    return state.status
                }
                let headers = status == .noContent ? HTTPHeaders() : ["content-length": "0"]
                context.write(
                    wrapOutboundOut(.head(.init(version: .http1_1, status: status, headers: headers))), promise: nil)
                context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
            }
        }
    }
}

/// Keeps the errors that are logged.
private final class LogBook: Sendable {
    private let texts = Mutex<[String]>([])

    var errors: [String] { texts.withLock { $0 } }

    var logger: Logger { Logger(label: "test", factory: { _ in Handler(book: self) }) }

    private struct Handler: LogHandler {
        let book: LogBook
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.error

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) { book.texts.withLock { $0.append("\(event.message)") } }
    }
}
