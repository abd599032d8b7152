package import AuthorizationServer
import ControlPlaneAPI
package import Foundation
import GRDB
import Limits
package import SPIFFE
package import Workloads

/// The authorization server's view of the store: clients and tokens, the registry it decides by, and the audit.
package struct OAuthRecords: Sendable {
    let store: Store
    let registry: Registry
    let bundle: TrustBundle
    let hub: SnapshotHub
    let now: @Sendable () -> Date
    private let strangers = RefusalBudget(perMinute: 60)

    init(state: ControlPlaneState) {
        store = state.store
        registry = state.registry
        bundle = state.bundle
        hub = state.hub
        now = state.now
    }
}

extension OAuthRecords: OAuthDirectory {
    package func resources() async throws -> [ProtectedResource] {
        try await store.read { try registry.content(in: $0).resources }
    }

    package func bundles() async throws -> BundleSet { BundleSet([bundle]) }

    package func objection(to id: SPIFFEID, issuedAt: IssueTime) async throws -> String? {
        try await store.read { try registry.objection(to: id, issuedAt: issuedAt, in: $0) }
    }

    package func isActive(_ id: SPIFFEID) async throws -> Bool {
        try await store.read { try registry.content(in: $0).gives(id) }
    }

    package func spiffeID(at path: SPIFFEPath) async throws -> SPIFFEID? {
        try await store.read { database -> SPIFFEID? in
            guard let id = try? SPIFFEID(trustDomain: registry.trustDomain, path: path) else { return nil }
            return try registry.content(in: database).gives(id) ? id : nil
        }
    }
}

extension OAuthRecords: OAuthStore {
    package func client(_ id: SPIFFEID) async throws -> OAuthClient? {
        try await store.read { try Self.client(id, in: $0) }
    }

    package func register(
        _ client: OAuthClient, provenBy issuedAt: IssueTime, telling event: OAuthEvent,
    ) async throws -> OAuthClient {
        let time = now()
        return try await stored(for: client.spiffeID) { database in
            if let kept = try Self.client(client.spiffeID, in: database) { return kept }
            try checkStanding(client.spiffeID, issuedAt, in: database)
            try database.execute(
                sql: "INSERT INTO oauth_clients (client_id, name, method, registered_at) VALUES (?, ?, ?, ?)",
                arguments: [
                    client.spiffeID.description, client.name, client.method.rawValue, client.registeredAt.milliseconds,
                ],
            )
            try AuditChain.append([event.entry(at: time)], to: database)
            return client
        }
    }

    package func record(
        _ token: IssuedToken, provenBy issuedAt: IssueTime, telling event: OAuthEvent,
    ) async throws {
        let time = now()
        try await stored(for: token.client) { database in
            // Asked again inside the transaction: a manifest may have changed since the token was decided.
            try checkStanding(token.client, issuedAt, in: database)
            let content = try registry.content(in: database)
            guard TokenLedger.isEntitled(token.client, to: token.audience, by: content),
                try Self.client(token.client, in: database) != nil
            else {
                throw ControlPlaneRefusal.notInGroup(
                    "\(token.client) may not have a token for \(token.audience) any more")
            }
            guard try !TokenLedger.isAtLimit(token.client, token.thumbprint, now: time, in: database) else {
                throw ControlPlaneRefusal.tooManyTokens(
                    "an SVID of \(token.client) has \(Limits.Tokens.ofSVID) tokens that are valid")
            }
            try TokenLedger.record(token, in: database)
            try AuditChain.append([event.entry(at: time)], to: database)
        }
    }

    private func checkStanding(_ id: SPIFFEID, _ issuedAt: IssueTime, in database: Database) throws {
        if let objection = try registry.objection(to: id, issuedAt: issuedAt, in: database) {
            throw ControlPlaneRefusal.notInGroup(objection)
        }
    }

    /// One transaction, of which nothing stays where the client's right has gone.
    private func stored<Value: Sendable>(
        for client: SPIFFEID, _ work: @escaping @Sendable (Database) throws -> Value,
    ) async throws -> Value {
        do { return try await store.write(for: client, work) } catch .notInGroup(let reason) {
            throw OAuthObjection.withdrawn(reason)
        } catch .tooManyTokens(let reason) { throw OAuthObjection.tooMany(reason) }
    }

    package func token(_ id: String) async throws -> IssuedToken? {
        try await store.read { try TokenLedger.token(id, in: $0) }
    }

    package func revokeToken(_ id: String, at time: Date, telling event: OAuthEvent) async throws {
        try await store.write { database in
            try AuditChain.append([event.entry(at: time)], to: database)
            guard try TokenLedger.revoke(id, now: time, in: database) else { return }
            try registry.raiseVersion(now: time, in: database)
        }
        await hub.wakeAll()
    }

    private static func client(_ id: SPIFFEID, in database: Database) throws -> OAuthClient? {
        let row = try Row.fetchOne(
            database, sql: "SELECT * FROM oauth_clients WHERE client_id = ?", arguments: [id.description])
        return row.map { row in
            OAuthClient(
                spiffeID: id,
                name: row["name"],
                method: ClientAuthenticationMethod(rawValue: row["method"]) ?? .x509,
                registeredAt: Date(milliseconds: row["registered_at"]),
            )
        }
    }
}

extension OAuthRecords: OAuthJournal {
    package func record(_ event: OAuthEvent) async throws {
        let time = now()
        // Whoever proves nothing must not be able to fill the disk with refusals.
        guard event.caller != nil || strangers.take(at: time) else { return }
        try await store.write(for: event.caller) { try AuditChain.append([event.entry(at: time)], to: $0) }
    }
}

extension OAuthEvent {
    fileprivate func entry(at time: Date) -> AuditChain.Entry {
        AuditChain.Entry(
            time: time, type: kind.rawValue,
            details: [
                "spiffeID": caller.map { .string($0.description) },
                "method": method.map { .string($0.rawValue) },
                "svidSerial": svidSerial.map { .string($0) },
                "tokenID": tokenID.map { .string($0) },
                "resource": resource.map { .string($0) },
                "scopes": scopes.map { .list($0.map { .string($0) }) },
                "thumbprint": thumbprint.map { .string($0.base64URL) },
                "active": active.map { .boolean($0) },
                "reason": .string(reason),
            ],
        )
    }
}
