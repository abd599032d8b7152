@testable import Agent
import ControlPlaneAPI
import Foundation
import Limits
import Logging
import SPIFFE
import Synchronization
import Testing

@Suite struct AuditForwarderTests {
    @Test func `a long command line of control characters holds nothing up`() async throws {
        try await Self.inFolder { folder in
            let plane = Receiver()
            let forwarder = try Self.forwarder(folder, plane)
            let argv = Array(repeating: String(repeating: "\u{1}", count: 1000), count: 10)
            let process = ProcessEvidence(
                pid: 1, startTime: 1, exe: String(repeating: "\u{7f}", count: 4096), argv: argv, uid: 0)
            for _ in 0..<400 { forwarder.record(Self.event("x", process: process)) }
            forwarder.record(Self.event("behind"))
            #expect(await forwarder.flush())
            #expect(plane.reasons.count == 401)
            #expect(plane.reasons.last == "behind")
            #expect(plane.largest < Limits.Request.body)
        }
    }

    @Test func `of a refused batch the one event that cannot be taken is replaced, and all others arrive`() async throws
    {
        try await Self.inFolder { folder in
            let plane = Receiver(refusing: "poison")
            let forwarder = try Self.forwarder(folder, plane)
            for number in 0..<100 { forwarder.record(Self.event(number == 37 ? "poison" : "\(number)")) }
            #expect(await forwarder.flush())
            #expect(plane.reasons.count == 100)
            #expect(plane.events[37].type == .eventRefused)
            #expect(plane.reasons[37]?.contains("process.identified") == true)
            #expect(plane.reasons[36] == "36" && plane.reasons[38] == "38")
            #expect(forwarder.backlog == (0, 0))
        }
    }

    @Test func `where even the substitute is refused it counts as lost`() async throws {
        try await Self.inFolder { folder in
            let plane = Receiver(refusing: "p")
            let forwarder = try Self.forwarder(folder, plane)
            for reason in ["a", "p", "b"] { forwarder.record(Self.event(reason)) }
            #expect(await forwarder.flush())
            #expect(plane.reasons == ["a", "b"])
            #expect(plane.lost == 1)
        }
    }

    @Test func `what waits at a stop arrives once after a restart`() async throws {
        try await Self.inFolder { folder in
            let plane = Receiver()
            plane.isAway.withLock { $0 = true }
            do {
                let forwarder = try Self.forwarder(folder, plane)
                for number in 0..<1000 { forwarder.record(Self.event("\(number)")) }
                #expect(await !forwarder.flush())
                forwarder.keep()
            }
            do {
                let forwarder = try Self.forwarder(folder, plane)
                #expect(forwarder.backlog == (1000, 0))
                forwarder.record(Self.event("later"))
                forwarder.keep()
            }
            plane.isAway.withLock { $0 = false }
            #expect(await (try Self.forwarder(folder, plane)).flush())
            #expect(plane.reasons == (0..<1000).map { "\($0)" } + ["later"])
            #expect(plane.lost == 0)
        }
    }

    @Test func `an agent that is told to wait does, though not for ever, and sends the same again`() async throws {
        try await Self.inFolder { folder in
            let seconds = Mutex<Int?>(7)
            let sent = Mutex(0)
            let forwarder = try AuditForwarder(
                directory: folder, logger: Logger(label: "test"), origin: { _ in .written }
            ) { report in
                if let seconds = seconds.withLock({ $0 }) {
                    throw ControlPlaneError.problem(Problem(error: "too_much", message: "wait", retryAfter: seconds))
                }
                sent.withLock { $0 += report.events.count }
                return AuditReceipt(next: report.end)
            }
            forwarder.record(Self.event("x"))
            #expect(forwarder.pause == nil)
            #expect(await !forwarder.flush())
            #expect(forwarder.pause == .seconds(7))
            for (told, waited) in [(1_000_000, Limits.Reports.longestWait), (-3, .seconds(1))] {
                seconds.withLock { $0 = told }
                #expect(await !forwarder.flush())
                #expect(forwarder.pause == waited)
            }
            seconds.withLock { $0 = nil }
            #expect(await forwarder.flush())
            #expect(forwarder.pause == nil && sent.withLock { $0 } == 1)
        }
    }

    @Test func `a crash loses what was not on disk, and says how many`() async throws {
        try await Self.inFolder { folder in
            let plane = Receiver()
            do {
                let forwarder = try Self.forwarder(folder, plane)
                for number in 0..<10 { forwarder.record(Self.event("\(number)")) }
                forwarder.keep()
                for number in 10..<17 { forwarder.record(Self.event("\(number)")) }
                // Neither sent nor kept: the process ends here.
            }
            let forwarder = try Self.forwarder(folder, plane)
            #expect(forwarder.backlog == (10, 7))
            #expect(await forwarder.flush())
            #expect(plane.reasons == (0..<10).map { "\($0)" })
            #expect(plane.lost == 7)
        }
    }

    @Test func `an answer that was lost makes no event come twice`() async throws {
        try await Self.inFolder { folder in
            let plane = Receiver()
            plane.losesAnswer.withLock { $0 = true }
            do {
                let forwarder = try Self.forwarder(folder, plane)
                for number in 0..<5 { forwarder.record(Self.event("\(number)")) }
                #expect(await !forwarder.flush())
                forwarder.keep()
            }
            plane.losesAnswer.withLock { $0 = false }
            let forwarder = try Self.forwarder(folder, plane)
            forwarder.record(Self.event("5"))
            #expect(await forwarder.flush())
            #expect(plane.reasons == (0...5).map { "\($0)" })
        }
    }

    @Test func `a state that was rolled back takes numbers of its own`() async throws {
        try await Self.inFolder { folder in
            let plane = Receiver()
            let count = folder + "/audit.count"
            let forwarder = try Self.forwarder(folder, plane)
            let before = try Data(contentsOf: URL(filePath: count))
            for number in 0..<50 { forwarder.record(Self.event("\(number)")) }
            #expect(await forwarder.flush())
            try before.write(to: URL(filePath: count))
            let again = try Self.forwarder(folder, plane)
            again.record(Self.event("new"))
            #expect(await again.flush())
            #expect(plane.reasons.last == "new")
            #expect(again.backlog == (0, 0))
        }
    }

    @Test func `the queue is bounded by bytes, and what has no room is counted`() async throws {
        try await Self.inFolder { folder in
            let plane = Receiver()
            plane.isAway.withLock { $0 = true }
            let forwarder = try Self.forwarder(folder, plane)
            let most = Limits.Audit.queueBytes / Limits.Audit.eventOverhead
            for number in 0..<(most + 100) { forwarder.record(Self.event("\(number)")) }
            let (queued, lost) = forwarder.backlog
            #expect(queued + lost == most + 100)
            #expect(queued < most)
            forwarder.keep()
            let size = try FileManager.default.attributesOfItem(atPath: folder + "/audit.spool")[.size] as? Int
            #expect(try #require(size) <= Limits.Audit.queueBytes)
            let mode = try FileManager.default.attributesOfItem(atPath: folder + "/audit.spool")[.posixPermissions]
            #expect(mode as? Int == 0o600)
        }
    }

    @Test func `a workload that floods while the control plane is away pushes out nobody else's events`() async throws {
        try await Self.inFolder { folder in
            let plane = Receiver()
            plane.isAway.withLock { $0 = true }
            let flooder = try SPIFFEID("spiffe://prod.example/flooder")
            let flood = 3 * Limits.Audit.queueBytes / Limits.Audit.eventOverhead
            do {
                let forwarder = try Self.forwarder(folder, plane)
                for number in 0..<flood {
                    if number % (flood / 10) == 0 { forwarder.record(Self.event("others", of: "others")) }
                    forwarder.record(
                        AgentAuditEvent(time: Date(), type: .connectionOutbound, spiffeID: flooder, decision: .allowed))
                    if number == flood / 2 { forwarder.keep() }
                }
                forwarder.keep()
            }
            plane.isAway.withLock { $0 = false }
            let forwarder = try Self.forwarder(folder, plane)
            #expect(await forwarder.flush())
            #expect(plane.events.filter { $0.reason == "others" }.count >= 10)
            #expect(plane.events.count + Int(plane.lost) == flood + plane.events.filter { $0.reason == "others" }.count)
            #expect(plane.lost > 0)
        }
    }

    private static func event(
        _ reason: String, of workload: String? = nil, process: ProcessEvidence? = nil,
    ) -> AgentAuditEvent {
        AgentAuditEvent(
            time: Date(), type: .processIdentified,
            spiffeID: workload.flatMap { try? SPIFFEID("spiffe://prod.example/\($0)") }, process: process,
            reason: reason)
    }

    private static func forwarder(_ folder: String, _ plane: Receiver) throws -> AuditForwarder {
        try AuditForwarder(
            directory: folder, logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }),
            origin: { _ in .written }, send: { try plane.take($0) })
    }

    private static func inFolder(_ body: (String) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "tidemark-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await body(folder)
    }
}

/// Takes reports as the control plane does; see ControlPlaneTests.AuditReportTests for that one.
private final class Receiver: Sendable {
    private struct Taken {
        var events: [AgentAuditEvent] = []
        var lost: UInt64 = 0
        var next: [String: UInt64] = [:]
        var largest = 0
    }

    let isAway = Mutex(false)
    let losesAnswer = Mutex(false)
    private let refused: String?
    private let taken = Mutex(Taken())

    init(refusing reason: String? = nil) {
        refused = reason
    }

    var events: [AgentAuditEvent] { taken.withLock { $0.events } }
    var reasons: [String?] { events.map(\.reason) }
    var lost: UInt64 { taken.withLock { $0.lost } }
    /// Bytes of a report.
    var largest: Int { taken.withLock { $0.largest } }

    func take(_ report: AuditReport) throws -> AuditReceipt {
        let away = ControlPlaneError.unreachable(address: "test", reason: "test")
        guard !isAway.withLock({ $0 }) else { throw away }
        let size = try JSONEncoder().encode(report).count
        let isRefused = report.events.contains { refused.map(($0.event.reason ?? "").contains) ?? false }
        guard size <= Limits.Request.body, !isRefused else {
            throw ControlPlaneError.problem(Problem(error: "body_invalid", message: "not this one"))
        }
        let receipt = taken.withLock { taken in
            let start = taken.next[report.queue] ?? report.from
            let fresh = report.events.filter { $0.number >= start }
            taken.largest = max(taken.largest, size)
            guard report.end > start else { return AuditReceipt(next: start) }
            taken.events += fresh.map(\.event)
            taken.lost += report.end - start - UInt64(fresh.count)
            taken.next[report.queue] = report.end
            return AuditReceipt(next: report.end)
        }
        guard !losesAnswer.withLock({ $0 }) else { throw away }
        return receipt
    }
}
