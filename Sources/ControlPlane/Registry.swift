package import ControlPlaneAPI
package import Foundation
package import GRDB
package import SPIFFE
package import Workloads

/// What operators applied, numbered: each change of anything an agent enforces makes a new version.
package struct Registry: Sendable {
    package let trustDomain: TrustDomain
    private let latest = LatestContent()

    /// One for each store: it remembers that store's manifests.
    package init(trustDomain: TrustDomain) {
        self.trustDomain = trustDomain
    }

    // MARK: Reading

    package func version(in database: Database) throws -> UInt64 {
        UInt64(clamping: try Int64.fetchOne(database, sql: "SELECT version FROM registry") ?? 0)
    }

    /// What this transaction sees.
    func content(in database: Database) throws -> RegistryContent {
        let revision = try revision(in: database)
        if let content = latest.content(at: revision) { return content }
        let manifests = try Row.fetchAll(database, sql: "SELECT * FROM manifests").map(Manifest.init(row:))
        let content = RegistryContent(manifests, in: trustDomain)
        // The writer may see what it has not committed; a reader cannot.
        if database.configuration.readonly { latest.hold(content, at: revision) }
        return content
    }

    private func revision(in database: Database) throws -> Int64 {
        try Int64.fetchOne(database, sql: "SELECT manifests_revision FROM registry") ?? 0
    }

    /// - Parameters:
    ///   - kind: in any case; nil for all.
    ///   - name: nil for all.
    package func manifests(kind: String?, name: String?, in database: Database) throws -> [StoredManifest] {
        let rows = try Row.fetchAll(
            database,
            sql: """
                SELECT * FROM manifests
                WHERE (?1 IS NULL OR kind = ?1 COLLATE NOCASE) AND (?2 IS NULL OR name = ?2) ORDER BY kind, name
                """,
            arguments: [kind, name],
        )
        return try rows.map { row in
            let manifest = try Manifest(row: row)
            return StoredManifest(
                kind: manifest.kind,
                name: manifest.name,
                generation: row["generation"],
                updatedAt: Date(milliseconds: row["updated_at"]),
                yaml: manifest.canonicalYAML,
                spiffeID: manifest.spiffeID(in: trustDomain)?.description,
                warnings: manifest.warnings,
            )
        }
    }

    // MARK: Changing

    /// Applies the manifests of one file, all or none.
    package func apply(
        _ manifests: [Manifest], by operatorName: String, now: Date, in database: Database,
    ) throws -> ApplyResponse {
        let before = try content(in: database)
        let change = ManifestChange(applying: manifests, to: before)
        let after = try before.changed(by: change)
        let outcomes = manifests.map { manifest in
            ApplyResponse.Outcome(
                kind: manifest.kind, name: manifest.name, result: change.result(for: manifest.key),
                warnings: manifest.warnings)
        }
        if !change.isEmpty {
            let changes = zip(manifests, outcomes).filter { $0.1.result != .unchanged }
            for (manifest, _) in changes { try store(manifest, now: now, in: database) }
            try AuditChain.append(
                changes.map { entry("manifest.\($0.1.result.rawValue)", for: $0.0, by: operatorName, now: now) },
                to: database)
            try follow(change, to: after, now: now, in: database)
        }
        return ApplyResponse(version: try version(in: database), documents: outcomes)
    }

    /// Removes a manifest. An identity's SPIFFE ID counts as withdrawn until it is applied again.
    package func delete(
        kind: String, name: String, by operatorName: String, now: Date, in database: Database,
    ) throws -> DeleteResponse {
        let before = try content(in: database)
        let kinds = Manifest.kinds.filter { $0.lowercased() == kind.lowercased() }
        guard let manifest = before.manifests(kinds.map { Manifest.Key(kind: $0, name: name) }).first else {
            throw ControlPlaneRefusal.noSuchManifest(kind: kind, name: name)
        }
        try database.execute(
            sql: "DELETE FROM manifests WHERE kind = ? AND name = ?", arguments: [manifest.kind, manifest.name])
        try AuditChain.append([entry("manifest.deleted", for: manifest, by: operatorName, now: now)], to: database)
        try follow(ManifestChange(removing: manifest), to: before.without(manifest), now: now, in: database)
        return DeleteResponse(version: try version(in: database))
    }

    /// Says that something agents enforce has changed.
    package func raiseVersion(now: Date, in database: Database) throws {
        // Expired tokens leave here and nowhere else: within one version the snapshot's list stays the same.
        try database.execute(sql: "DELETE FROM oauth_tokens WHERE expires_at < ?", arguments: [now.milliseconds])
        try database.execute(sql: "UPDATE registry SET version = version + 1")
    }

    private func store(_ manifest: Manifest, now: Date, in database: Database) throws {
        try database.execute(
            sql: """
                INSERT INTO manifests (kind, name, generation, updated_at, canonical) VALUES (?, ?, 1, ?, ?)
                ON CONFLICT (kind, name) DO UPDATE SET generation = generation + 1,
                    updated_at = excluded.updated_at, canonical = excluded.canonical
                """,
            arguments: [manifest.kind, manifest.name, now.milliseconds, try manifest.canonicalJSON()],
        )
    }

    /// What a change of manifests entails: withdrawn identities, revoked tokens, a new version, which is remembered.
    private func follow(
        _ change: ManifestChange, to after: RegistryContent, now: Date, in database: Database,
    ) throws {
        try withdraw(GivenIDs(by: change.oldIdentities, in: trustDomain), unlessIn: after, now: now, in: database)
        try restore(GivenIDs(by: change.newIdentities, in: trustDomain), as: after, in: database)
        try TokenLedger.revokeUnentitled(content: after, now: now, in: database)
        try raiseVersion(now: now, in: database)
        let revision = try revision(in: database)
        database.afterNextTransaction { [latest] _ in latest.hold(after, at: revision) }
    }

    private func withdraw(
        _ lost: GivenIDs, unlessIn after: RegistryContent, now: Date, in database: Database,
    ) throws {
        let known = lost.written + (lost.hasTemplates ? try expanded(in: database).filter(lost.contains) : [])
        for id in known where !after.writes(id) {
            if after.gives(id) {
                try keepExpanded(id, in: database)
            } else {
                try database.execute(
                    sql: "INSERT OR IGNORE INTO withdrawn VALUES (?, ?)",
                    arguments: [id.description, now.milliseconds])
            }
        }
    }

    private func restore(_ gained: GivenIDs, as after: RegistryContent, in database: Database) throws {
        for id in gained.written + (gained.hasTemplates ? try withdrawn(in: database).filter(gained.contains) : []) {
            try database.execute(sql: "DELETE FROM withdrawn WHERE spiffe_id = ?", arguments: [id.description])
            if !after.writes(id) { try keepExpanded(id, in: database) }
        }
    }

    private func entry(_ type: String, for manifest: Manifest, by operatorName: String, now: Date) -> AuditChain.Entry {
        AuditChain.Entry(
            time: now, type: type,
            details: [
                "kind": .string(manifest.kind), "name": .string(manifest.name), "operator": .string(operatorName),
                "spiffeID": manifest.spiffeID(in: trustDomain).map { .string($0.description) },
            ],
        )
    }
}

extension Registry {
    /// What the agents of one group have to enforce now.
    package func snapshot(
        forGroup group: String, bundle: TrustBundle, svidLifetime: Duration, in database: Database,
    ) throws -> PolicySnapshot {
        let content = try content(in: database)
        return PolicySnapshot(
            version: try version(in: database),
            trustDomain: trustDomain,
            bundle: bundle,
            identities: content.groups[group]?.identities ?? [],
            resources: content.resources,
            endpoints: try AgentDirectory.endpoints(in: database),
            withdrawn: try withdrawn(in: database).sorted(),
            revokedTokens: try TokenLedger.revoked(in: database),
            svidLifetime: Int(svidLifetime.components.seconds),
        )
    }

    package func withdrawn(in database: Database) throws -> Set<SPIFFEID> {
        Set(try String.fetchAll(database, sql: "SELECT spiffe_id FROM withdrawn").map { try SPIFFEID($0) })
    }

    /// The SPIFFE IDs an agent of this group may act for.
    func identities(ofGroup group: String, in database: Database) throws -> GivenIDs {
        try content(in: database).given(toGroup: group)
    }

    /// Whether an agent of this group may act for this ID. Keeps it: when a template goes, its IDs are withdrawn one by one.
    func expand(_ id: SPIFFEID, forGroup group: String, in database: Database) throws -> Bool {
        guard try identities(ofGroup: group, in: database).contains(id) else { return false }
        try keepExpanded(id, in: database)
        return true
    }

    /// Given to somebody, by a template from which nobody can tell that later.
    private func keepExpanded(_ id: SPIFFEID, in database: Database) throws {
        try database.execute(sql: "INSERT OR IGNORE INTO expanded_ids VALUES (?)", arguments: [id.description])
    }

    private func expanded(in database: Database) throws -> Set<SPIFFEID> {
        Set(try String.fetchAll(database, sql: "SELECT spiffe_id FROM expanded_ids").map { try SPIFFEID($0) })
    }
}
