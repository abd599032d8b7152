@testable import ControlPlane
import ControlPlaneAPI
import Foundation
import GRDB
import Glibc
import Logging
import SPIFFE
import Testing

/// Somebody has the database, but neither the checkpoint key nor what was carried outside.
@Suite struct AuditCheckpointTests {
    private static let unlocked = "DROP TRIGGER audit_is_never_updated; DROP TRIGGER audit_is_never_deleted;"

    @Test func `a head that was kept is found again, with and without its count`() async throws {
        try await Self.serve { plane in
            let head = try await plane.operators.auditHead()
            _ = try await plane.apply(Manifests.identity("later"))
            for expected in ["\(head.head):\(head.count)", head.head] {
                #expect(try await plane.operators.verifyAudit(expecting: expected).intact)
            }
            let other = String(head.head.reversed())
            for expected in [other, "\(other):\(head.count)", "\(head.head):\(head.count + 1)", "\(head.head):99"] {
                #expect(try await plane.operators.verifyAudit(expecting: expected).intact == false, "\(expected)")
            }
            for nonsense in ["x", "\(head.head):", "\(head.head):x", "\(head.head):1:2"] {
                #expect(
                    await problem { try await plane.operators.verifyAudit(expecting: nonsense) } == "parameter_invalid")
            }
        }
    }

    @Test func `a record removed, with all after it hashed anew, is found by the last checkpoint`() async throws {
        try await Self.serve { plane in
            _ = try await plane.state.audit.checkpoint()
            try await plane.rewrite(removing: 2)
            let verification = try await plane.operators.verifyAudit()
            #expect(!verification.intact)
        }
    }

    @Test func `checkpoints in the chain cannot be taken out of it either`() async throws {
        try await Self.serve { plane in
            let checkpoint = try #require(try await plane.state.audit.checkpoint())
            try await plane.rewrite(removing: checkpoint.count + 1)
            #expect(try await plane.operators.verifyAudit().intact)
            // What it said still holds: nothing before it is another.
            try await plane.rewrite(removing: 1)
            #expect(try await plane.operators.verifyAudit().intact == false)
        }
    }

    @Test func `the last records cut off are found, and again after the server has gone on`() async throws {
        try await Self.serve { plane in
            for number in 0..<50 { _ = try await plane.apply(Manifests.identity("more-\(number)", uid: 3000 + number)) }
            let head = try await plane.operators.auditHead()
            _ = try await plane.state.audit.checkpoint()
            try await plane.state.store.database.write { database in
                try database.execute(
                    sql: Self.unlocked + "DELETE FROM audit WHERE sequence > 4; UPDATE sqlite_sequence SET seq = 4")
            }
            #expect(try await plane.operators.verifyAudit().intact == false)
            for number in 0..<60 { _ = try await plane.apply(Manifests.identity("new-\(number)", uid: 4000 + number)) }
            #expect(try await plane.operators.verifyAudit(expecting: "\(head.head):\(head.count)").intact == false)
            // The next checkpoint does not cover it up.
            _ = try await plane.state.audit.checkpoint()
            let verification = try await plane.operators.verifyAudit()
            #expect(!verification.intact)
            #expect(try await plane.operators.audit().contains { $0.type == "audit.rolled_back" })
        }
    }

    @Test func `a database that was rolled back tells on itself at the next start`() async throws {
        let directory = TestControlPlane.temporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        let file = directory.appending(path: "data/tidemark.sqlite")
        try await TestControlPlane.serve(in: directory) { _ = try await $0.apply(Manifests.identity("before")) }
        let old = try Data(contentsOf: file)
        try await TestControlPlane.serve(in: directory) { _ = try await $0.apply(Manifests.identity("after")) }
        try old.write(to: file)
        try await TestControlPlane.serve(in: directory) { plane in
            _ = try await plane.apply(Manifests.identity("other"))
            _ = try await plane.state.audit.checkpoint()
            #expect(try await plane.operators.verifyAudit().intact == false)
            #expect(try await plane.operators.audit().contains { $0.type == "audit.rolled_back" })
        }
    }

    @Test func `a checkpoint signed by another key is none`() async throws {
        try await Self.serve { plane in
            let checkpoint = try #require(try await plane.state.audit.checkpoint())
            let stranger = try CheckpointKey.open(
                directory: plane.directory.appending(path: "stranger", directoryHint: .isDirectory),
                trustDomain: TrustDomain(TestControlPlane.trustDomain))
            #expect(plane.state.audit.key.vouches(for: checkpoint))
            #expect(!stranger.vouches(for: checkpoint))
            let moved = AuditCheckpoint(
                count: checkpoint.count + 1, head: checkpoint.head, signature: checkpoint.signature)
            #expect(!plane.state.audit.key.vouches(for: moved))
        }
    }

    @Test func `checkpoints are carried outside, one line each, and only where something happened`() async throws {
        try await Self.serve { plane in
            let path = plane.directory.appending(path: "outside").path
            let keeper = plane.state.audit
            let copying = AuditKeeper(
                store: keeper.store, key: keeper.key, retention: keeper.retention,
                copies: [try #require(AuditCopy(path))], now: keeper.now)
            try await copying.keep(logger: .init(label: "test"))
            try await copying.keep(logger: .init(label: "test"))
            _ = try await plane.apply(Manifests.identity("more"))
            try await copying.keep(logger: .init(label: "test"))
            let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
            let told = try lines.map { try JSONDecoder().decode(AuditCheckpoint.self, from: Data($0.utf8)) }
            #expect(told.count == 2)
            for checkpoint in told {
                let expected = "\(checkpoint.head):\(checkpoint.count)"
                #expect(try await plane.operators.verifyAudit(expecting: expected).intact)
            }
        }
    }

    @Test func `a pipe that nobody reads keeps the audit from nothing`() async throws {
        try await Self.serve { plane in
            let path = plane.directory.appending(path: "pipe").path
            #expect(mkfifo(path, 0o600) == 0)
            let keeper = plane.state.audit
            let copying = AuditKeeper(
                store: keeper.store, key: keeper.key, retention: keeper.retention,
                copies: [try #require(AuditCopy(path))], now: keeper.now)
            try await copying.keep(logger: .init(label: "test"))
            #expect(try await plane.operators.verifyAudit(expecting: nil).intact)
            let checkpoint = AuditCheckpoint(count: 1, head: "h", signature: "s")
            let failed = try await keeper.carrier.carry(checkpoint, to: [.file(path)])
            #expect(failed.map { $0.1 as? AuditCopyError } == [.file(ENXIO)])
        }
    }

    private static func serve(_ body: @Sendable @escaping (TestControlPlane) async throws -> Void) async throws {
        try await TestControlPlane.serve { plane in
            for name in ["alpha", "beta", "gamma", "delta"] { _ = try await plane.apply(Manifests.identity(name)) }
            try await body(plane)
        }
    }
}

extension TestControlPlane {
    /// Takes one record out and makes the chain whole again, as anybody can who may write the file.
    fileprivate func rewrite(removing sequence: Int64) async throws {
        try await state.store.database.write { database in
            try database.execute(
                sql: """
                    DROP TRIGGER IF EXISTS audit_is_never_updated; DROP TRIGGER IF EXISTS audit_is_never_deleted;
                    """)
            let rows = try Row.fetchAll(database, sql: "SELECT * FROM audit ORDER BY sequence")
            let links = try rows.map { try AuditLink(row: $0) }.filter { $0.sequence != sequence }
            try database.execute(sql: "DELETE FROM audit; UPDATE sqlite_sequence SET seq = 0 WHERE name = 'audit'")
            try AuditChain.append(
                try links.map { link in
                    let record = try link.record()
                    return AuditChain.Entry(
                        time: record.time, source: record.source, type: record.type, details: record.details)
                }, to: database)
        }
    }
}
