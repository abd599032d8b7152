package import ControlPlaneAPI
package import Foundation
package import GRDB
package import SPIFFE
package import Workloads

/// What operators applied, numbered: each change of anything an agent enforces makes a new version.
package struct Registry: Sendable {
    package let trustDomain: TrustDomain

    package init(trustDomain: TrustDomain) {
        self.trustDomain = trustDomain
    }

    // MARK: Reading

    package func version(in database: Database) throws -> UInt64 {
        UInt64(clamping: try Int64.fetchOne(database, sql: "SELECT version FROM registry") ?? 0)
    }

    func content(in database: Database) throws -> RegistryContent {
        RegistryContent(try manifests(in: database).values)
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
        let stored = try self.manifests(in: database)
        let updated = stored.merging(manifests.map { ($0.key, $0) }, uniquingKeysWith: { _, new in new })
        let content = RegistryContent(updated.values)
        let findings = content.findings(trustDomain: trustDomain)
        guard findings.isEmpty else { throw ControlPlaneRefusal.manifest(findings) }

        let outcomes = try manifests.map { manifest in
            let result = try store(manifest, replacing: stored[manifest.key], now: now, in: database)
            return ApplyResponse.Outcome(
                kind: manifest.kind, name: manifest.name, result: result, warnings: manifest.warnings)
        }
        let changes = zip(manifests, outcomes).filter { $0.1.result != .unchanged }
        if !changes.isEmpty {
            try AuditChain.append(
                changes.map { entry("manifest.\($0.1.result.rawValue)", for: $0.0, by: operatorName, now: now) },
                to: database)
            try follow(from: RegistryContent(stored.values), to: content, now: now, in: database)
        }
        return ApplyResponse(version: try version(in: database), documents: outcomes)
    }

    /// Removes a manifest. An identity's SPIFFE ID counts as withdrawn until it is applied again.
    package func delete(
        kind: String, name: String, by operatorName: String, now: Date, in database: Database,
    ) throws -> DeleteResponse {
        let stored = try manifests(in: database)
        guard
            let manifest = stored.values.first(where: { $0.kind.lowercased() == kind.lowercased() && $0.name == name })
        else { throw ControlPlaneRefusal.noSuchManifest(kind: kind, name: name) }
        try database.execute(
            sql: "DELETE FROM manifests WHERE kind = ? AND name = ?", arguments: [manifest.kind, manifest.name])
        try AuditChain.append([entry("manifest.deleted", for: manifest, by: operatorName, now: now)], to: database)
        let rest = stored.filter { $0.key != manifest.key }
        try follow(from: RegistryContent(stored.values), to: RegistryContent(rest.values), now: now, in: database)
        return DeleteResponse(version: try version(in: database))
    }

    /// Says that something agents enforce has changed.
    package func raiseVersion(now: Date, in database: Database) throws {
        // Expired tokens leave here and nowhere else: within one version the snapshot's list stays the same.
        try database.execute(sql: "DELETE FROM oauth_tokens WHERE expires_at < ?", arguments: [now.milliseconds])
        try database.execute(sql: "UPDATE registry SET version = version + 1")
    }

    private func store(
        _ manifest: Manifest, replacing old: Manifest?, now: Date, in database: Database,
    ) throws -> ApplyResponse.Outcome.Result {
        if old == manifest { return .unchanged }
        try database.execute(
            sql: """
                INSERT INTO manifests (kind, name, generation, updated_at, canonical) VALUES (?, ?, 1, ?, ?)
                ON CONFLICT (kind, name) DO UPDATE SET generation = generation + 1,
                    updated_at = excluded.updated_at, canonical = excluded.canonical
                """,
            arguments: [manifest.kind, manifest.name, now.milliseconds, try manifest.canonicalJSON()],
        )
        return old == nil ? .created : .changed
    }

    /// What a change of manifests entails: withdrawn identities, revoked tokens, a new version.
    private func follow(
        from before: RegistryContent, to after: RegistryContent, now: Date, in database: Database,
    ) throws {
        let given = after.given(in: trustDomain)
        let known = before.given(in: trustDomain).written.union(try expanded(in: database))
        for id in known where !given.contains(id) {
            try database.execute(
                sql: "INSERT OR IGNORE INTO withdrawn VALUES (?, ?)", arguments: [id.description, now.milliseconds])
        }
        for id in try withdrawn(in: database) where given.contains(id) {
            try database.execute(sql: "DELETE FROM withdrawn WHERE spiffe_id = ?", arguments: [id.description])
        }
        try TokenLedger.revokeUnentitled(content: after, trustDomain: trustDomain, now: now, in: database)
        try raiseVersion(now: now, in: database)
    }

    private func manifests(in database: Database) throws -> [Manifest.Key: Manifest] {
        let manifests = try Row.fetchAll(database, sql: "SELECT * FROM manifests").map(Manifest.init(row:))
        return Dictionary(manifests.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
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
            identities: content.identities.filter { $0.agentGroup == group },
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
        GivenIDs(by: try content(in: database).identities.filter { $0.agentGroup == group }, in: trustDomain)
    }

    /// Whether an agent of this group may act for this ID. Keeps it: when a template goes, its IDs are withdrawn one by one.
    func expand(_ id: SPIFFEID, forGroup group: String, in database: Database) throws -> Bool {
        guard try identities(ofGroup: group, in: database).contains(id) else { return false }
        try database.execute(sql: "INSERT OR IGNORE INTO expanded_ids VALUES (?)", arguments: [id.description])
        return true
    }

    private func expanded(in database: Database) throws -> Set<SPIFFEID> {
        Set(try String.fetchAll(database, sql: "SELECT spiffe_id FROM expanded_ids").map { try SPIFFEID($0) })
    }
}
