package import ControlPlaneAPI
import Foundation
import GRDB
import Limits
package import Logging

/// Signs where the audit stands, carries that outside, and keeps the audit within its bounds.
package struct AuditKeeper: Sendable {
    let store: Store
    let key: CheckpointKey
    let retention: AuditRetention
    let copies: [AuditCopy]
    var carrier = AuditCarrier()
    let now: @Sendable () -> Date

    /// - Returns: nil where nothing was recorded since the last one.
    package func checkpoint() async throws -> AuditCheckpoint? {
        let newest = try key.newest()
        let now = now()
        let made: AuditCheckpoint? = try await store.write { [key] database in
            var last = try AuditChain.lastLink(database)
            guard last.sequence > 0, last.type != "audit.checkpoint" || newest == nil else { return nil }
            if let newest, try !key.holds(newest, in: database) {
                // Told in the chain itself, so that later checkpoints do not cover it up.
                let entry = AuditChain.Entry(
                    time: now, type: "audit.rolled_back",
                    details: [
                        "count": .integer(newest.count), "head": .string(newest.head),
                        "reason": .string("the checkpoint kept beside the key is of other records"),
                    ])
                try AuditChain.append([entry], to: database)
                last = try AuditChain.lastLink(database)
            }
            let checkpoint = try key.sign(count: last.sequence, head: last.hash)
            let entry = AuditChain.Entry(
                time: now, type: "audit.checkpoint",
                details: [
                    "through": .integer(checkpoint.count), "head": .string(checkpoint.head),
                    "signature": .string(checkpoint.signature),
                ])
            try AuditChain.append([entry], to: database)
            return checkpoint
        }
        if let made { try key.keep(made) }
        return made
    }

    /// Removes what is too much, some at a time.
    package func trim() async throws {
        let now = now()
        while try await store.write({ [retention, key] in
            try retention.apply(signedBy: key, now: now, in: $0)
        }) { try await Task.sleep(for: Limits.Audit.removalPause) }
    }

    /// Where the chain stands, signed now, with what is needed to verify that elsewhere.
    package func head() async throws(ControlPlaneRefusal) -> AuditHead {
        try await store.read { [key] database in
            let last = try AuditChain.lastLink(database)
            let checkpoint = try key.sign(count: last.sequence, head: last.hash)
            return AuditHead(
                count: checkpoint.count, head: checkpoint.head, signature: checkpoint.signature, key: key.publicPEM,
                removed: try AuditFloor.read(database).sequence)
        }
    }

    /// The whole chain and every checkpoint in it, in one read transaction.
    package func verify(expecting head: ExpectedHead?) async throws(ControlPlaneRefusal) -> AuditVerification {
        try await store.read { [key] in try AuditVerifier.verify($0, key: key, head: head) }
    }

    /// Once: signs, removes, tells. In this order: a place outside that does not answer keeps nothing from being removed.
    package func keep(logger: Logger) async throws {
        let checkpoint = try await checkpoint()
        try await trim()
        guard let checkpoint else { return }
        // The log is a place outside, too.
        logger.info(
            "audit checkpoint",
            metadata: [
                "count": "\(checkpoint.count)", "head": "\(checkpoint.head)", "signature": "\(checkpoint.signature)",
            ])
        for (copy, error) in try await carrier.carry(checkpoint, to: copies) {
            logger.error("audit checkpoint not carried to \(copy): \(error)")
        }
    }
}

extension CheckpointKey {
    /// Whether the database has the record that a checkpoint names, or had it until retention removed it.
    fileprivate func holds(_ checkpoint: AuditCheckpoint, in database: Database) throws -> Bool {
        let floor = try AuditFloor.read(database)
        // A floor that this key did not sign was not put there by retention.
        if checkpoint.count < floor.sequence { return vouches(for: floor) }
        if checkpoint.count == floor.sequence { return checkpoint.head == floor.hash }
        return try AuditChain.link(checkpoint.count, in: database)?.hash == checkpoint.head
    }
}
