import ControlPlane
import ControlPlaneAPI
import Foundation
import GRDB
import SPIFFE
import Testing

@Suite struct AuditTests {
    @Test func `the chain verifies, and an agent's events are in it in order`() async throws {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(Manifests.identity("mine"))
            let agent = try await plane.agent()
            let time = Date(timeIntervalSince1970: (Date().timeIntervalSince1970 - 86_400).rounded())
            let workload = try TestControlPlane.id("mine")
            let events = [
                AgentAuditEvent(
                    time: time, type: .processIdentified, spiffeID: workload,
                    process: ProcessEvidence(
                        pid: 7, startTime: 99, exe: "/usr/bin/python3", argv: ["python", "a b.py"], uid: 1001)),
                AgentAuditEvent(
                    time: time, type: .connectionInbound, peer: workload, decision: .refused, reason: "\"quoted\" / ü"),
            ]
            try await plane.withClient(as: agent) { try await $0.report(audit: AuditReport(events: events, lost: 3)) }
            let records = try await plane.operators.audit(after: 3)
            #expect(records.map(\.type) == ["process.identified", "connection.inbound", "audit.lost"])
            #expect(records.allSatisfy { $0.source == agent.id.description })
            #expect(records[0].time == time)
            #expect(records[1].details["reason"] == .string("\"quoted\" / ü"))
            #expect(try await plane.operators.audit(spiffeID: workload).map(\.sequence) == [1, 4, 5])
            #expect(try await plane.operators.verifyAudit() == AuditVerification(records: 6, intact: true))
        }
    }

    @Test func `a time that was read is written again as it was, to the millisecond`() throws {
        for millisecond in 0..<1000 {
            let digits = "\(1000 + millisecond)".dropFirst()
            let text = "\"2026-11-29T10:51:31.\(digits)Z\""
            let time = try WireCoding.decoder().decode(Date.self, from: Data(text.utf8))
            #expect(try WireCoding.encoder().encode(time) == Data(text.utf8))
        }
    }

    @Test func `following the audit returns as soon as there is a record`() async throws {
        try await TestControlPlane.serve { plane in
            async let following = plane.operators.audit(after: 0, wait: 20)
            try await Task.sleep(for: .milliseconds(300))
            _ = try await plane.apply(Manifests.identity("mine"))
            #expect(try await following.map(\.type) == ["manifest.created"])
        }
    }

    @Test func `the database itself refuses to change or remove a record`() async throws {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(Manifests.identity("mine"))
            for statement in ["UPDATE audit SET source = 'x'", "DELETE FROM audit"] {
                await #expect(throws: DatabaseError.self) {
                    try await plane.state.store.database.write { try $0.execute(sql: statement) }
                }
            }
        }
    }

    @Test func `one byte changed in the file is found at its record`() async throws {
        let directory = TestControlPlane.temporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        try await TestControlPlane.serve(in: directory) { plane in
            for name in ["alpha", "needle", "omega"] { _ = try await plane.apply(Manifests.identity(name)) }
            #expect(try await plane.operators.verifyAudit().intact)
        }
        let file = directory.appending(path: "data/tidemark.sqlite")
        var bytes = try Data(contentsOf: file)
        // Only an audit record has these two members beside each other.
        let place = try #require(bytes.range(of: Data(#""name":"needle","operator""#.utf8)))
        bytes[place.lowerBound + 8] = UInt8(ascii: "m")
        try bytes.write(to: file)
        try await TestControlPlane.serve(in: directory) { plane in
            let verification = try await plane.operators.verifyAudit()
            #expect(!verification.intact)
            #expect(verification.brokenAt == 2)
        }
    }

    @Test(arguments: [
        ("UPDATE audit SET hash = replace(hash, substr(hash, 1, 1), 'x') WHERE sequence = 2", 2),
        ("UPDATE audit SET type = 'manifest.changed' WHERE sequence = 3", 3),
        ("UPDATE audit SET time = '2020-01-01T00:00:00.000Z' WHERE sequence = 1", 1),
        ("DELETE FROM audit WHERE sequence = 2", 2),
        ("DELETE FROM audit WHERE sequence = 3", 3),
    ])
    func `a record changed or removed behind the triggers is found`(_ tampering: (String, Int64)) async throws {
        try await TestControlPlane.serve { plane in
            for name in ["alpha", "beta", "gamma"] { _ = try await plane.apply(Manifests.identity(name)) }
            try await plane.state.store.database.write { database in
                try database.execute(sql: "DROP TRIGGER audit_is_never_updated; DROP TRIGGER audit_is_never_deleted")
                try database.execute(sql: tampering.0)
            }
            let verification = try await plane.operators.verifyAudit()
            #expect(!verification.intact)
            #expect(verification.brokenAt == tampering.1)
            #expect(verification.records == tampering.1 - 1)
        }
    }
}
