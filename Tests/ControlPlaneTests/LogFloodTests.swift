import AsyncHTTPClient
import ControlPlane
@testable import ControlPlaneAPI
import Foundation
import Limits
import Logging
import NIOCore
import NIOHTTP1
import SPIFFE
import Synchronization
import Testing

/// Strangers who ask without end, and what they make a server write down.
@Suite struct LogFloodTests {
    @Test func `requests that are refused are so many lines a minute, cut by bytes; the rest is a number`() async throws
    {
        try await Self.serve { plane, log in
            let path = "/" + String(repeating: "%C3%A9", count: 1000)
            try await Self.ask(path, times: 3 * Limits.Log.refusedPerMinute, of: plane)
            let lines = log.lines { $0.contains("refused: ") }
            #expect(lines.count == Limits.Log.refusedPerMinute)
            #expect(lines.allSatisfy { $0.utf8.count < 3 * Limits.Log.refusalBytes })
            plane.clock.advance(by: 60)
            try await Self.ask(path, times: 1, of: plane)
            let last = try #require(log.lines { $0.contains("refused: ") }.last)
            #expect(last.contains("untold=\(2 * Limits.Log.refusedPerMinute)"))
        }
    }

    @Test func `and so are certificates that nobody here issued`() async throws {
        try await TestControlPlane.serve { other in
            let foreign = try await other.agent()
            try await Self.serve { plane, log in
                for _ in 0..<Limits.Log.refusedPerMinute + 20 {
                    await #expect(throws: ControlPlaneError.self) {
                        try await plane.withClient(as: foreign) { try await $0.acknowledge(.init(version: 1)) }
                    }
                }
                let told = { log.lines { $0.contains("a client certificate was refused") } }
                #expect(told().count == Limits.Log.refusedPerMinute)
                plane.clock.advance(by: 60)
                await #expect(throws: ControlPlaneError.self) {
                    try await plane.withClient(as: foreign) { try await $0.acknowledge(.init(version: 1)) }
                }
                #expect(told().last?.contains("untold=20") == true)
            }
        }
    }

    private static func ask(_ path: String, times: Int, of plane: TestControlPlane) async throws {
        let http = HTTPClient(configuration: try .mutualTLS(trust: .caPEM(plane.caPEM), identity: nil))
        do {
            for _ in 0..<times {
                let answer = try await http.execute(HTTPClientRequest(url: plane.address + path), timeout: .seconds(10))
                #expect(answer.status == .notFound)
                _ = try await answer.body.collect(upTo: 1 << 20)
            }
        } catch {
            try await http.shutdown()
            throw error
        }
        try await http.shutdown()
    }

    /// With a clock that stands.
    private static func serve(
        _ body: @Sendable (TestControlPlane, KeptLog) async throws -> Void,
    ) async throws {
        let directory = TestControlPlane.temporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        let log = KeptLog()
        let clock = TestClock()
        clock.stop()
        try await TestControlPlane.serve(
            in: directory, clock: clock, logger: Logger(label: "test", factory: { _ in KeptLog.Handler(log: log) }),
        ) { try await body($0, log) }
    }
}

/// A log that a test reads.
private final class KeptLog: Sendable {
    private let kept = Mutex<[String]>([])

    func lines(_ isWanted: (String) -> Bool) -> [String] { kept.withLock { $0 }.filter(isWanted) }

    struct Handler: LogHandler {
        let log: KeptLog
        var logLevel = Logger.Level.info
        var metadata: Logger.Metadata = [:]

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        init(log: KeptLog) {
            self.log = log
        }

        func log(event: LogEvent) {
            let members = metadata.merging(event.metadata ?? [:]) { $1 }.map { "\($0)=\($1)" }.joined(separator: " ")
            log.kept.withLock { $0.append("\(event.message) \(members)") }
        }
    }
}
