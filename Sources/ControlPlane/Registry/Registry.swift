package import ControlPlaneAPI
package import Foundation
package import GRDB
import Limits
package import SPIFFE
package import Workloads

/// What operators applied, numbered: each change of anything an agent enforces makes a new version.
package struct Registry: Sendable {
    package let trustDomain: TrustDomain
    private let managedNetworks: ManagedNetworks
    private let latest = LatestContent()
    private let latestEndpoints = LatestEndpoints()

    /// One for each store: it remembers that store's manifests.
    package init(trustDomain: TrustDomain, managedNetworks: ManagedNetworks = ManagedNetworks()) {
        self.trustDomain = trustDomain
        self.managedNetworks = managedNetworks
    }

    // MARK: Reading

    /// 0 before anything was applied.
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
        var warnings = ManifestWarnings(try content(in: database))
        return try rows.map { row in
            let manifest = try Manifest(row: row)
            return StoredManifest(
                kind: manifest.kind,
                name: manifest.name,
                generation: row["generation"],
                updatedAt: Date(milliseconds: row["updated_at"]),
                yaml: manifest.canonicalYAML,
                spiffeID: manifest.spiffeID(in: trustDomain)?.description,
                warnings: warnings.of(manifest),
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
        var warnings = ManifestWarnings(after)
        let outcomes = manifests.map { manifest in
            ApplyResponse.Outcome(
                kind: manifest.kind, name: manifest.name, result: change.result(for: manifest.key),
                warnings: warnings.of(manifest), remarks: manifest.remarks(in: managedNetworks))
        }
        if !change.isEmpty {
            let changes = zip(manifests, outcomes).filter { $0.1.result != .unchanged }
            let former = try bytesOfManifests(in: database)
            for (manifest, _) in changes { try store(manifest, now: now, in: database) }
            try checkShare(former, in: database)
            try AuditChain.append(
                changes.map { entry("manifest.\($0.1.result.rawValue)", for: $0.0, by: operatorName, now: now) },
                to: database)
            try follow(change, to: after, now: now, in: database)
        }
        return ApplyResponse(version: try version(in: database), documents: outcomes)
    }

    /// Removes a manifest. What was issued to an identity of it is withdrawn, for good.
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
        // Expired tokens and withdrawals leave here and nowhere else: within one version the snapshot's lists stay the same.
        try database.execute(sql: "DELETE FROM oauth_tokens WHERE expires_at < ?", arguments: [now.milliseconds])
        try Issuances.purge(now: now, in: database)
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

    /// What agents are sent of manifests fits into a message.
    ///
    /// - Parameter former: bytes before; what is too much already may become less.
    private func checkShare(_ former: Int, in database: Database) throws {
        let bytes = try bytesOfManifests(in: database)
        guard bytes > Limits.Manifests.bytes, bytes > former else { return }
        throw ControlPlaneRefusal.manifest([
            "all manifests together would have \(bytes) bytes, and \(Limits.Manifests.bytes) are the most; delete some first"
        ])
    }

    private func bytesOfManifests(in database: Database) throws -> Int {
        try Int.fetchOne(database, sql: "SELECT sum(length(CAST(canonical AS BLOB))) FROM manifests") ?? 0
    }

    /// What a change of manifests entails: withdrawn identities, revoked tokens, a new version, which is remembered.
    private func follow(
        _ change: ManifestChange, to after: RegistryContent, now: Date, in database: Database,
    ) throws {
        for (group, identities) in Dictionary(grouping: change.oldIdentities, by: \.agentGroup) {
            try withdraw(GivenIDs(by: identities, in: trustDomain), from: group, after, now: now, in: database)
        }
        try TokenLedger.revokeUnentitled(content: after, now: now, in: database)
        try raiseVersion(now: now, in: database)
        let revision = try revision(in: database)
        database.afterNextTransaction { [latest] _ in latest.hold(after, at: revision) }
    }

    /// Takes back what was issued to IDs that the agents of this group have no more, also where others have them.
    private func withdraw(
        _ former: GivenIDs, from group: String, _ after: RegistryContent, now: Date, in database: Database,
    ) throws {
        let known = Set(
            former.written + (former.hasTemplates ? try Issuances.all(in: database).filter(former.contains) : []))
        let kept = after.given(toGroup: group)
        for id in known.sorted() where !kept.contains(id) { try withdraw(id, now: now, in: database) }
    }

    /// Takes back what was issued through an agent whose right an operator took away.
    ///
    /// - Returns: to how many IDs.
    func withdraw(
        issuedThrough agent: SPIFFEID, after removal: AgentDirectory.Removal, now: Date, in database: Database,
    ) throws -> Int {
        guard let reach = removal.reach else { return 0 }
        let ids = try AgentIssuances.ids(through: agent, reach, now: now, in: database)
        for id in ids { try withdraw(id, now: now, in: database) }
        return ids.count
    }

    private func withdraw(_ id: SPIFFEID, now: Date, in database: Database) throws {
        try Issuances.withdraw(id, now: now, in: database)
        try TokenLedger.deregister(
            id, because: "what was issued to the client was withdrawn", now: now, in: database)
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
        let withdrawals = try Issuances.withdrawals(in: database)
        let standing = withdrawals.filter { content.gives($0.spiffeID) }
        return PolicySnapshot(
            version: try version(in: database),
            trustDomain: trustDomain,
            bundle: bundle,
            identities: content.groups[group]?.identities ?? [],
            resources: content.resources,
            endpoints: try endpoints(in: database),
            withdrawn: withdrawals.map(\.spiffeID).filter { !content.gives($0) },
            revokedTokens: try TokenLedger.revoked(in: database),
            svidLifetime: Int(svidLifetime.components.seconds),
            managedNetworks: managedNetworks.ranges.isEmpty ? nil : managedNetworks,
            withdrawals: standing.isEmpty ? nil : standing,
        )
    }

    /// Raised with each change of endpoints, which are no policy.
    func endpointsRevision(in database: Database) throws -> Int64 {
        try Int64.fetchOne(database, sql: "SELECT endpoints_revision FROM registry") ?? 0
    }

    /// Where managed workloads listen. One array for all who ask.
    func endpoints(in database: Database) throws -> [Endpoint] {
        let revision = try endpointsRevision(in: database)
        if let endpoints = latestEndpoints.endpoints(at: revision) { return endpoints }
        let endpoints = try EndpointClaims.standing(in: database)
        if database.configuration.readonly { latestEndpoints.hold(endpoints, at: revision) }
        return endpoints
    }

    /// Of these IDs those that the agents of this group have, and those that nobody has any more while something of theirs may not
    /// have run out. Looked up one by one: how many there are besides costs nobody anything.
    func known(_ ids: Set<SPIFFEID>, toGroup group: String, in database: Database) throws -> Set<SPIFFEID> {
        let content = try content(in: database)
        let own = content.given(toGroup: group)
        return try ids.filter { id in
            if own.contains(id) { return true }
            return try Issuances.withdrawnThrough(id, in: database) != nil && !content.gives(id)
        }
    }

    /// Why a credential of this ID is not taken; nil: it is.
    ///
    /// - Parameter issuedAt: nil: there is none to look at, but somebody's right to have one.
    func objection(to id: SPIFFEID, issuedAt: IssueTime?, in database: Database) throws -> String? {
        guard try content(in: database).gives(id) else { return "no manifest gives \(id)" }
        guard let issuedAt else { return nil }
        let through = try Issuances.withdrawnThrough(id, in: database)
        return Withdrawals(through: through.map { [id: $0] } ?? [:]).objection(to: id, issuedAt: issuedAt)
    }

    /// The SPIFFE IDs an agent of this group may act for.
    func identities(ofGroup group: String, in database: Database) throws -> GivenIDs {
        try content(in: database).given(toGroup: group)
    }

    /// As of when an agent of this group may have a credential of this ID; nil: it may not.
    func issueTime(for id: SPIFFEID, group: String, now: Date, in database: Database) throws -> IssueTime? {
        guard try identities(ofGroup: group, in: database).contains(id) else { return nil }
        return try Issuances.nextTime(for: id, now: now, in: database)
    }
}
