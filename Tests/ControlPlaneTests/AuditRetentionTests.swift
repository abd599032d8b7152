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
            #expect(keeper.key.vouches(for: after))
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

    @Test func `the signature of a real checkpoint is none of a floor`() async throws {
        try await TestControlPlane.serve { plane in
            try await Self.fill(plane, 20)
            let checkpoint = try #require(try await plane.state.audit.checkpoint())
            try await Self.fill(plane, 20)
            _ = try await plane.state.audit.checkpoint()
            #expect(try await plane.operators.verifyAudit().intact)
            try await Self.putFloor(checkpoint, plane)
            #expect(try await plane.operators.verifyAudit().reason == AuditVerifier.unsignedFloor)
            // Retention does not sign for it either.
            try await Self.fill(plane, 2 * Limits.Audit.keptRecords)
            try await Self.keeper(plane, AuditRetention(bytes: 1)).trim()
            #expect(try await plane.state.store.read { try AuditFloor.read($0) }.sequence > checkpoint.count)
            #expect(try await plane.operators.verifyAudit().reason == AuditVerifier.unsignedFloor)
        }
    }

    @Test func `a rollback that was found cannot be removed with the checkpoint after it`() async throws {
        try await TestControlPlane.serve { plane in
            let checkpoint = try await Self.findRollback(plane)
            #expect(try await plane.operators.verifyAudit().intact == false)
            try await Self.putFloor(checkpoint, plane)
            #expect(try await plane.operators.verifyAudit().reason == AuditVerifier.unsignedFloor)
        }
    }

    @Test func `a rollback that was found is told after retention has removed its record`() async throws {
        try await TestControlPlane.serve { plane in
            let checkpoint = try await Self.findRollback(plane)
            try await Self.fill(plane, 2 * Limits.Audit.keptRecords)
            _ = try await plane.state.audit.checkpoint()
            try await Self.keeper(plane, AuditRetention(bytes: 1)).trim()
            #expect(try await plane.operators.auditHead().removed > checkpoint.count)
            let reason = try #require(try await plane.operators.verifyAudit().reason)
            #expect(reason.hasPrefix("record \(checkpoint.count), removed since: the server found"))
            // It is in what is signed.
            try await plane.state.store.database.write { try $0.execute(sql: "UPDATE audit_floor SET fault = ''") }
            #expect(try await plane.operators.verifyAudit().reason == AuditVerifier.unsignedFloor)
        }
    }

    @Test func `a record that was altered is told after retention has removed it`() async throws {
        try await TestControlPlane.serve { plane in
            try await Self.fill(plane, 20)
            try await plane.state.store.database.write { database in
                try database.execute(
                    sql: """
                        DROP TRIGGER audit_is_never_updated;
                        UPDATE audit SET details = '{"number":99}' WHERE sequence = 7;
                        """)
            }
            try await Self.fill(plane, 2 * Limits.Audit.keptRecords)
            let filled = try await plane.operators.auditHead().count
            try await Self.keeper(plane, AuditRetention(bytes: 1)).trim()
            #expect(try await plane.operators.verifyAudit().reason?.hasPrefix("record 7, removed since") == true)
            let told = try #require(try await plane.operators.audit(after: filled).first)
            #expect(told.type == "audit.trimmed" && told.details["fault"] != nil)
        }
    }

    @Test func `nothing after the newest checkpoint is removed, however much there is`() async throws {
        try await TestControlPlane.serve { plane in
            try await Self.fill(plane, 20)
            let checkpoint = try #require(try await plane.state.audit.checkpoint())
            try await Self.fill(plane, 2 * Limits.Audit.keptRecords)
            try await Self.keeper(plane, AuditRetention(bytes: 1)).trim()
            #expect(try await plane.operators.auditHead().removed == checkpoint.count)
            #expect(try await plane.operators.verifyAudit().intact)
            _ = try await plane.state.audit.checkpoint()
            #expect(try await plane.operators.verifyAudit().intact)
        }
    }

    @Test func `a floor above the newest checkpoint is told by the next one`() async throws {
        try await TestControlPlane.serve { plane in
            try await Self.fill(plane, 20)
            _ = try await plane.state.audit.checkpoint()
            try await Self.fill(plane, 20)
            let last = try await plane.state.store.read { try AuditChain.lastLink($0) }
            try await Self.fill(plane, 1)
            try await Self.putFloor(AuditCheckpoint(count: last.sequence, head: last.hash, signature: "x"), plane)
            _ = try await plane.state.audit.checkpoint()
            #expect(try await plane.operators.audit().contains { $0.type == "audit.rolled_back" })
        }
    }

    @Test func `a removal that the server did not sign is found in the chain`() async throws {
        try await TestControlPlane.serve { plane in
            try await Self.fill(plane, 20)
            let checkpoint = try #require(try await plane.state.audit.checkpoint())
            try await plane.state.store.write { database in
                let entry = AuditChain.Entry(
                    time: Date(), type: "audit.trimmed",
                    details: [
                        "through": .integer(checkpoint.count), "head": .string(checkpoint.head),
                        "signature": .string(checkpoint.signature),
                    ])
                try AuditChain.append([entry], to: database)
            }
            let verification = try await plane.operators.verifyAudit()
            #expect(verification.reason?.hasPrefix("it says that records were removed") == true)
            #expect(verification.brokenAt == checkpoint.count + 2)
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

    /// Cuts off the end, lets the server find that, and returns the checkpoint that names `audit.rolled_back` as the last record.
    private static func findRollback(_ plane: TestControlPlane) async throws -> AuditCheckpoint {
        try await fill(plane, 20)
        _ = try await plane.state.audit.checkpoint()
        try await plane.state.store.database.write { database in
            try database.execute(
                sql: """
                    DROP TRIGGER audit_is_never_deleted;
                    DELETE FROM audit WHERE sequence > 10;
                    UPDATE sqlite_sequence SET seq = 10 WHERE name = 'audit';
                    """)
        }
        let checkpoint = try #require(try await plane.state.audit.checkpoint())
        let last = try await plane.state.store.read { try AuditChain.link(checkpoint.count, in: $0) }
        #expect(last?.type == "audit.rolled_back")
        return checkpoint
    }

    /// As somebody can who has the database: what the checkpoint names and all before it is gone, and its signature stands for that.
    private static func putFloor(_ checkpoint: AuditCheckpoint, _ plane: TestControlPlane) async throws {
        try await plane.state.store.database.write { database in
            try database.execute(
                sql: "UPDATE audit_floor SET sequence = ?, hash = ?, signature = ?",
                arguments: [checkpoint.count, checkpoint.head, checkpoint.signature])
            try database.execute(sql: "DELETE FROM audit WHERE sequence <= ?", arguments: [checkpoint.count])
        }
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
