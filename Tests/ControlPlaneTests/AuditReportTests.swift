import ControlPlane
import ControlPlaneAPI
import Foundation
import SPIFFE
import Testing

@Suite struct AuditReportTests {
    @Test func `a report that comes again after its answer was lost adds nothing`() async throws {
        try await TestControlPlane.serve { plane in
            let agent = try await plane.agent()
            let first = AuditReport(events: [Self.event("a"), Self.event("b")], lost: 1)
            var second = first
            second.events.append(AuditReport.Event(number: 3, event: Self.event("c")))
            second.end = 5
            let both = second
            let receipts = try await plane.withClient(as: agent) { client in
                var receipts: [UInt64] = []
                for report in [first, first, both, first] {
                    receipts.append(try await client.report(audit: report).next)
                }
                return receipts
            }
            #expect(receipts == [3, 3, 5, 5])
            let records = try await plane.operators.audit(after: 2)
            #expect(records.compactMap { $0.details["reason"] } == ["a", "b", "c"].map { .string($0) })
            #expect(
                records.filter { $0.type == "audit.lost" }.map { $0.details["count"] } == [.integer(1), .integer(1)])
        }
    }

    @Test func `an event about an identity of another group is no evidence about that identity`() async throws {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(Manifests.identity("mine"))
            _ = try await plane.apply(Manifests.identity("theirs", group: "other"))
            let agent = try await plane.agent()
            let ids = try ["mine", "theirs"].map(TestControlPlane.id)
            let events = ids.map {
                AgentAuditEvent(time: Date(), type: .connectionOutbound, spiffeID: $0, decision: .allowed)
            }
            try await plane.withClient(as: agent) { try await $0.report(audit: AuditReport(events: events)) }
            #expect(try await plane.operators.audit(spiffeID: ids[0]).last?.type == "connection.outbound")
            #expect(try await plane.operators.audit(spiffeID: ids[1]).allSatisfy { $0.source == "tidemark-server" })
            let refused = try #require(
                try await plane.operators.audit().first { $0.type == "audit.event_refused" })
            #expect(refused.details["claimed"] == .string(ids[1].description))
            #expect(refused.details["claimedType"] == .string("connection.outbound"))
            #expect(refused.source == agent.id.description)
        }
    }

    @Test(arguments: [-62_167_219_200, 253_402_300_799, 4_000_000_000])
    func `a time that cannot be is told beside the one of receipt`(_ seconds: Int) async throws {
        try await TestControlPlane.serve { plane in
            let agent = try await plane.agent()
            let told = AgentAuditEvent(time: Date(timeIntervalSince1970: TimeInterval(seconds)), type: .connectionCut)
            try await plane.withClient(as: agent) { try await $0.report(audit: AuditReport(events: [told])) }
            let record = try #require(try await plane.operators.audit().last)
            #expect(abs(record.time.timeIntervalSinceNow) < 3600)
            #expect(record.details["toldTime"] != nil)
            #expect(record.details["receivedAt"] != nil)
        }
    }

    @Test func `what a stranger and an agent write is cut by bytes`() async throws {
        try await TestControlPlane.serve { plane in
            let agent = try await plane.agent()
            let long = "e" + String(repeating: "\u{301}", count: 10_000)
            #expect(await problem { try await plane.attest(token: "x", name: long) } != nil)
            let process = ProcessEvidence(pid: 1, startTime: 1, exe: long, argv: [long, long], uid: 0)
            let event = AgentAuditEvent(time: Date(), type: .processIdentified, process: process)
            try await plane.withClient(as: agent) { try await $0.report(audit: AuditReport(events: [event])) }
            let records = try await plane.operators.audit(after: 2)
            #expect(records.map(\.type) == ["agent.refused", "process.identified"])
            for record in records { #expect(try JSONEncoder().encode(record).count < 8192) }
        }
    }

    @Test func `numbers out of their order are refused`() async throws {
        try await TestControlPlane.serve { plane in
            let agent = try await plane.agent()
            var report = AuditReport(events: [Self.event("a"), Self.event("b")])
            report.events.swapAt(0, 1)
            var beyond = AuditReport(events: [Self.event("a")])
            beyond.end = .max
            for bad in [report, beyond] {
                try await plane.withClient(as: agent) { client in
                    #expect(await problem { try await client.report(audit: bad) } == "body_invalid")
                }
            }
        }
    }

    private static func event(_ reason: String) -> AgentAuditEvent {
        AgentAuditEvent(time: Date(), type: .connectionCut, reason: reason)
    }
}
