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

    package func content(in database: Database) throws -> RegistryContent {
        RegistryContent(try documents(in: database).values.sorted { $0.name < $1.name })
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
            let document = try RegistryDocument(row: row)
            return StoredManifest(
                kind: document.kind,
                name: document.name,
                generation: row["generation"],
                updatedAt: Date(milliseconds: row["updated_at"]),
                yaml: document.yaml,
                spiffeID: spiffeID(of: document)?.description,
                warnings: ManifestReview.warnings(for: document),
            )
        }
    }

    // MARK: Changing

    /// Applies the documents of one file, all or none.
    package func apply(
        _ documents: [RegistryDocument], file: String, by operatorName: String, now: Date, in database: Database,
    ) throws -> ApplyResponse {
        let stored = try self.documents(in: database)
        let updated = stored.merging(documents.map { ($0.key, $0) }, uniquingKeysWith: { _, new in new })
        let findings = ManifestReview.findings(in: RegistryContent(updated.values), trustDomain: trustDomain, file: file)
        guard findings.isEmpty else { throw ControlPlaneRefusal.manifest(findings) }

        let outcomes = try documents.map { document in
            let result = try store(document, replacing: stored[document.key], now: now, in: database)
            return ApplyResponse.Outcome(
                kind: document.kind, name: document.name, result: result, warnings: ManifestReview.warnings(for: document))
        }
        let changes = zip(documents, outcomes).filter { $0.1.result != .unchanged }
        if !changes.isEmpty {
            try follow(from: RegistryContent(stored.values), to: RegistryContent(updated.values), now: now, in: database)
            try AuditChain.append(
                changes.map { entry("manifest.\($0.1.result.rawValue)", for: $0.0, by: operatorName, now: now) }, to: database)
        }
        return ApplyResponse(version: try version(in: database), documents: outcomes)
    }

    /// Removes a manifest. An identity's SPIFFE ID counts as withdrawn until it is applied again.
    package func delete(
        kind: String, name: String, by operatorName: String, now: Date, in database: Database,
    ) throws -> DeleteResponse {
        let stored = try documents(in: database)
        guard let document = stored.values.first(where: { $0.kind.lowercased() == kind.lowercased() && $0.name == name })
        else { throw ControlPlaneRefusal.noSuchManifest(kind: kind, name: name) }
        try database.execute(
            sql: "DELETE FROM manifests WHERE kind = ? AND name = ?", arguments: [document.kind, document.name])
        let rest = stored.filter { $0.key != document.key }
        try follow(from: RegistryContent(stored.values), to: RegistryContent(rest.values), now: now, in: database)
        try AuditChain.append([entry("manifest.deleted", for: document, by: operatorName, now: now)], to: database)
        return DeleteResponse(version: try version(in: database))
    }

    /// Says that something agents enforce has changed.
    package func raiseVersion(now: Date, in database: Database) throws {
        // Expired tokens leave here and nowhere else: within one version the snapshot's list stays the same.
        try database.execute(sql: "DELETE FROM oauth_tokens WHERE expires_at < ?", arguments: [now.milliseconds])
        try database.execute(sql: "UPDATE registry SET version = version + 1")
    }

    private func store(
        _ document: RegistryDocument, replacing old: RegistryDocument?, now: Date, in database: Database,
    ) throws -> ApplyResponse.Outcome.Result {
        let canonical = try document.canonical()
        if try old?.canonical() == canonical { return .unchanged }
        try database.execute(
            sql: """
                INSERT INTO manifests (kind, name, generation, updated_at, yaml, canonical) VALUES (?, ?, 1, ?, ?, ?)
                ON CONFLICT (kind, name) DO UPDATE SET generation = generation + 1,
                    updated_at = excluded.updated_at, yaml = excluded.yaml, canonical = excluded.canonical
                """,
            arguments: [document.kind, document.name, now.milliseconds, document.yaml, canonical],
        )
        return old == nil ? .created : .changed
    }

    /// What a change of manifests entails: withdrawn identities, revoked tokens, a new version.
    private func follow(
        from before: RegistryContent, to after: RegistryContent, now: Date, in database: Database,
    ) throws {
        let present = after.spiffeIDs(in: trustDomain)
        for id in before.spiffeIDs(in: trustDomain).subtracting(present) {
            try database.execute(
                sql: "INSERT OR IGNORE INTO withdrawn VALUES (?, ?)", arguments: [id.description, now.milliseconds])
        }
        for id in present {
            try database.execute(sql: "DELETE FROM withdrawn WHERE spiffe_id = ?", arguments: [id.description])
        }
        try TokenLedger.revokeUnentitled(content: after, trustDomain: trustDomain, now: now, in: database)
        try raiseVersion(now: now, in: database)
    }

    private func documents(in database: Database) throws -> [RegistryDocument.Key: RegistryDocument] {
        let documents = try Row.fetchAll(database, sql: "SELECT * FROM manifests").map(RegistryDocument.init(row:))
        return Dictionary(documents.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
    }

    private func spiffeID(of document: RegistryDocument) -> SPIFFEID? {
        if case .identity(let identity) = document.content { try? identity.spiffeID(in: trustDomain) } else { nil }
    }

    private func entry(
        _ type: String, for document: RegistryDocument, by operatorName: String, now: Date,
    ) -> AuditChain.Entry {
        AuditChain.Entry(
            time: now, type: type,
            details: [
                "kind": .string(document.kind), "name": .string(document.name), "operator": .string(operatorName),
                "spiffeID": spiffeID(of: document).map { .string($0.description) },
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
    package func identities(ofGroup group: String, in database: Database) throws -> Set<SPIFFEID> {
        Set(try content(in: database).identities.filter { $0.agentGroup == group }.map { try $0.spiffeID(in: trustDomain) })
    }
}
