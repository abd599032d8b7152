@testable import ControlPlane
import ControlPlaneAPI
import Foundation
import GRDB
import Limits
import SPIFFE
import Testing

@Suite struct AuditRetentionTests {
    @Test func `beyond its size the audit loses its oldest records, and a signed checkpoint stands for them`()
        async throws
    {
        try await TestControlPlane.serve { plane in
            try await Self.fill(plane, 3 * Limits.Audit.keptRecords)
            let head = try await plane.operators.auditHead()
            let before = try await plane.state.store.read { try AuditFloor.read($0) }
            let keeper = Self.keeper(plane, AuditRetention(bytes: before.bytes / 2))
            try await keeper.trim()
            let after = try await plane.state.store.read { try AuditFloor.read($0) }
            #expect(after.sequence > 0)
            #expect(after.bytes <= before.bytes / 2)
            #expect(keeper.key.vouches(for: try #require(after.checkpoint)))
            let trimmed = try #require(try await plane.operators.audit(after: head.count).first)
            #expect(trimmed.type == "audit.trimmed")
            #expect(trimmed.details["count"] == .integer(after.sequence))
            #expect(try await plane.operators.verifyAudit(expecting: "\(head.head):\(head.count)").intact)
            #expect(try await plane.operators.auditHead().removed == after.sequence)
            // Bytes are those that are there, so nothing adds up to a wrong sum in time.
            let sum = try await plane.state.store.read { database in
                try Row.fetchAll(database, sql: "SELECT * FROM audit").map { try AuditLink(row: $0).bytes }.reduce(0, +)
            }
            #expect(after.bytes == Int64(sum))
        }
    }

    @Test func `what is older than is kept goes, and no more`() async throws {
        try await TestControlPlane.serve { plane in
            try await Self.fill(plane, 100)
            plane.clock.advance(by: 10 * 86_400)
            try await Self.fill(plane, Limits.Audit.keptRecords + 20)
            try await Self.keeper(plane, AuditRetention(age: .seconds(86_400 * 5))).trim()
            #expect(try await plane.operators.auditHead().removed == 100)
            #expect(try await plane.operators.verifyAudit().intact)
            let first = try #require(try await plane.operators.audit(limit: 1).first)
            #expect(first.sequence == 101)
        }
    }

    @Test func `the newest records stay, whatever the size`() async throws {
        try await TestControlPlane.serve { plane in
            try await Self.fill(plane, Limits.Audit.keptRecords + 10)
            try await Self.keeper(plane, AuditRetention(bytes: 1)).trim()
            let head = try await plane.operators.auditHead()
            #expect(head.count - head.removed >= Int64(Limits.Audit.keptRecords))
        }
    }

    @Test func `a floor that was put there by somebody else is found`() async throws {
        try await TestControlPlane.serve { plane in
            try await Self.fill(plane, 20)
            try await plane.state.store.database.write { database in
                let link = try #require(try AuditChain.link(10, in: database))
                try database.execute(
                    sql: "UPDATE audit_floor SET sequence = 10, hash = ?, signature = 'x'", arguments: [link.hash])
                try database.execute(sql: "DELETE FROM audit WHERE sequence <= 10")
            }
            let verification = try await plane.operators.verifyAudit()
            #expect(!verification.intact)
            #expect(verification.brokenAt == 11)
        }
    }

    @Test func `an older head that retention has removed is told as such`() async throws {
        try await TestControlPlane.serve { plane in
            try await Self.fill(plane, 10)
            let head = try await plane.operators.auditHead()
            try await Self.fill(plane, 2 * Limits.Audit.keptRecords)
            try await Self.keeper(plane, AuditRetention(bytes: 1)).trim()
            let verification = try await plane.operators.verifyAudit(expecting: "\(head.head):\(head.count)")
            #expect(!verification.intact)
            #expect(verification.reason?.contains("retention") == true)
        }
    }

    @Test(arguments: [
        "{retention: 5}", "{retention: 0d}", "{maximumSize: 4}", "{maximumSize: 0GiB}", "{copies: [relative]}",
    ])
    func `settings that cannot be used are refused with their key`(_ text: String) throws {
        let file = try ConfigurationFile.decode("{trustDomain: a, audit: \(text)}")
        #expect(throws: ConfigurationError.self) { try file.configuration() }
    }

    @Test func `settings are read`() throws {
        let file = try ConfigurationFile.decode(
            "{trustDomain: a, audit: {retention: 400d, maximumSize: 500MiB, keyDirectory: /k, copies: [/x, 'https://h/y']}}"
        )
        let audit = try file.configuration().audit
        #expect(audit.retention == AuditRetention(age: .seconds(400 * 86_400), bytes: 500 << 20))
        #expect(audit.keyDirectory?.path == "/k")
        #expect(audit.copies == [.file("/x"), .address("https://h/y")])
    }

    private static func keeper(_ plane: TestControlPlane, _ retention: AuditRetention) -> AuditKeeper {
        let keeper = plane.state.audit
        return AuditKeeper(
            store: keeper.store, key: keeper.key, retention: retention, copies: [], now: { plane.clock.now })
    }

    private static func fill(_ plane: TestControlPlane, _ count: Int) async throws {
        let now = plane.clock.now
        try await plane.state.store.write { database in
            try AuditChain.append(
                (0..<count).map { AuditChain.Entry(time: now, type: "test", details: ["number": .integer(Int64($0))]) },
                to: database)
        }
    }
}
