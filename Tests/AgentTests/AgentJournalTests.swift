@testable import Agent
import ControlPlaneAPI
import Foundation
import Gateway
import Logging
import Proxy
import SPIFFE
import Synchronization
import Testing
import Workloads

@testable import Kernel

@Suite("Agent journal") struct AgentJournalTests {
    @Test func `a stranger whom a PERMISSIVE listener lets by makes two records of a thousand connections`()
        async throws
    {
        let events = try await Self.events { journal in
            for port in 0..<1000 { journal.record(try Self.inbound(from: "203.0.113.7:\(10_000 + port)")) }
        }
        #expect(events.map { $0.count ?? 1 } == [1, 999])
        #expect(events.allSatisfy { $0.decision == .allowed && $0.type == .connectionInbound })
    }

    @Test func `strangers from everywhere make a bounded number of records, and the count is whole`() async throws {
        let events = try await Self.events { journal in
            for address in 0..<5000 {
                for _ in 0..<2 { journal.record(try Self.inbound(from: "[2001:db8:\(address)::1]:10000")) }
            }
        }
        #expect(events.count <= 2 * 64 + 1)
        #expect(events.reduce(0) { $0 + ($1.count ?? 1) } == 10_000)
    }

    @Test func `connections relayed for a process that is nobody are counted`() async throws {
        let events = try await Self.events { journal in
            for _ in 0..<1000 {
                var entry = JournalEntry(kind: .connectionOutbound, .allowed(because: "no identity"))
                entry.process = ProcessKey(pid: 7, startTime: 7)
                journal.record(entry)
            }
        }
        #expect(events.map { $0.count ?? 1 } == [1, 999])
        #expect(events.map(\.process?.pid) == [7, 7])
    }

    @Test func `programs executed without end by one user as one identity are counted, and another's is told`()
        async throws
    {
        let (one, other) = (try SPIFFEID("spiffe://prod.example/one"), try SPIFFEID("spiffe://prod.example/other"))
        let events = try await Self.events { journal in
            for pid in 1...1000 {
                journal.recordIdentified(ProcessKey(pid: Int32(pid), startTime: 1), as: one)
            }
            journal.recordIdentified(ProcessKey(pid: 2000, startTime: 1), as: other)
        }
        #expect(events.filter { $0.spiffeID == one }.map { $0.count ?? 1 } == [1, 999])
        #expect(events.filter { $0.spiffeID == other }.map(\.process?.pid) == [2000])
    }

    @Test func `what goes on between two identities is a record each`() async throws {
        let (one, other) = (try SPIFFEID("spiffe://prod.example/one"), try SPIFFEID("spiffe://prod.example/other"))
        let events = try await Self.events { journal in
            for kind in [JournalEntry.Kind.connectionOutbound, .connectionInbound, .requestOutbound, .requestInbound] {
                for _ in 0..<100 {
                    var entry = JournalEntry(kind: kind, .allowed(because: "allowed"))
                    (entry.workload, entry.peer) = (one, other)
                    journal.record(entry)
                }
            }
        }
        #expect(events.count == 400 && events.allSatisfy { $0.count == nil })
    }

    @Test func `ends of connections between two are told together, with the sum of what passed`() async throws {
        let (one, other) = (try SPIFFEID("spiffe://prod.example/one"), try SPIFFEID("spiffe://prod.example/other"))
        let events = try await Self.events { journal in
            for number in 1...100 {
                var entry = JournalEntry(kind: .connectionClosed, .allowed(because: "closed"))
                (entry.workload, entry.peer) = (one, number == 50 ? one : other)
                entry.passed = Passed(
                    bytesToApplication: 10, bytesFromApplication: 1, lasted: .milliseconds(number))
                journal.record(entry)
            }
        }
        #expect(events.allSatisfy { $0.type == .connectionClosed && $0.decision == nil })
        #expect(events.map { $0.count ?? 1 }.sorted() == [1, 1, 98])
        let sum = events.compactMap(\.traffic).reduce(
            .init(bytesFromApplication: 0, bytesToApplication: 0, milliseconds: 0), +)
        #expect(sum == .init(bytesFromApplication: 100, bytesToApplication: 1000, milliseconds: 100))
    }

    @Test func `refusals that a window held back are told when the agent stops in it`() async throws {
        let events = try await Self.events { journal in
            for _ in 0..<5 {
                journal.record(JournalEntry(kind: .connectionOutbound, .refused(.plainText, because: "no")))
            }
        }
        #expect(events.map { $0.count ?? 1 } == [1, 4])
        #expect(events.allSatisfy { $0.cause == "plain_text" })
    }

    @Test func `what the kernel part refused many is told as of many, and of one with its process`() async throws {
        let events = try await Self.events { journal in
            for userID in [1000, nil] as [UInt32?] {
                let source = KernelRefusal.Source(userID: userID, reason: .directDial, identity: .none)
                let refusal = KernelRefusal(
                    process: ProcessKey(pid: 7, startTime: 7),
                    destination: try #require(InternetEndpoint(parsing: "127.0.0.1:15001")),
                    source: source, count: 76)
                journal.record(refusal, source, count: 76)
            }
        }
        #expect(events.map(\.process?.pid) == [7, nil])
        #expect(events.map(\.count) == [76, 76])
        #expect(events.map { $0.reason?.contains("15001") } == [true, false])
        #expect(events.map { $0.reason?.contains("many users") } == [false, true])
    }

    private static func inbound(from client: String) throws -> JournalEntry {
        var entry = JournalEntry(kind: .connectionInbound, .allowed(because: "PERMISSIVE"))
        entry.workload = try SPIFFEID("spiffe://prod.example/server")
        entry.connection = "\(client)>192.0.2.1:80"
        return entry
    }

    /// What the audit has of it, with one window's end behind it.
    private static func events(of body: (AgentJournal) throws -> Void) async throws -> [AgentAuditEvent] {
        let folder = FileManager.default.temporaryDirectory.appending(path: "tidemark-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let told = Mutex<[AgentAuditEvent]>([])
        let forwarder = try AuditForwarder(
            directory: folder, logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }),
            origin: { _ in .written }
        ) { report in
            told.withLock { $0 += report.events.map(\.event) }
            return AuditReceipt(next: report.end)
        }
        let journal = AgentJournal(forwarder: forwarder, refusals: RecentRefusals()) { key in
            ProcessEvidence(pid: key.pid, startTime: key.startTime, exe: "/x", argv: [], uid: 1000)
        }
        try body(journal)
        let running = Task { await journal.run() }
        running.cancel()
        await running.value
        #expect(await forwarder.flush())
        return told.withLock { $0 }
    }
}
