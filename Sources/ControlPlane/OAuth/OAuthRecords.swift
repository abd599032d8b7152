package import AuthorizationServer
import ControlPlaneAPI
package import Foundation
import GRDB
import Limits
package import SPIFFE

/// The authorization server's view of the store: clients and tokens, the registry it decides by, and the audit.
package struct OAuthRecords: Sendable {
    let store: Store
    let registry: Registry
    let bundle: TrustBundle
    let hub: SnapshotHub
    let now: @Sendable () -> Date
    private let strangers = RefusalBudget(perMinute: Limits.Refusals.strangersPerMinute)

    init(state: ControlPlaneState) {
        store = state.store
        registry = state.registry
        bundle = state.bundle
        hub = state.hub
        now = state.now
    }
}

extension OAuthRecords: OAuthDirectory {
    package func bundles() async throws -> BundleSet { BundleSet([bundle]) }

    package func standing(of id: SPIFFEID, issuedAt: IssueTime?) async throws -> ClientStanding {
        try await store.read { try standing(of: id, issuedAt, in: $0) }
    }

    private func standing(of id: SPIFFEID, _ issuedAt: IssueTime?, in database: Database) throws -> ClientStanding {
        ClientStanding(
            id: id, objection: try registry.objection(to: id, issuedAt: issuedAt, in: database),
            isRegistered: try Self.client(id, in: database) != nil,
            resources: try registry.content(in: database).resources)
    }
}

extension OAuthRecords: OAuthStore {
    package func register(
        _ client: OAuthClient, provenBy issuedAt: IssueTime, telling event: OAuthEvent,
    ) async throws -> OAuthClient {
        let time = now()
        return try await stored(for: client.spiffeID) { database in
            if let kept = try Self.client(client.spiffeID, in: database) { return .success(kept) }
            if let objection = try registry.objection(to: client.spiffeID, issuedAt: issuedAt, in: database) {
                return .failure(.notEntitled(.withdrawn(objection)))
            }
            try database.execute(
                sql: "INSERT INTO oauth_clients (client_id, name, method, registered_at) VALUES (?, ?, ?, ?)",
                arguments: [
                    client.spiffeID.description, client.name, client.method.rawValue, client.registeredAt.milliseconds,
                ],
            )
            try AuditChain.append([event.entry(at: time)], to: database)
            return .success(client)
        }
    }

    package func record(
        _ token: IssuedToken, provenBy issuedAt: IssueTime, telling event: OAuthEvent,
    ) async throws {
        let time = now()
        try await stored(for: token.client) { database -> Result<Void, OAuthObjection> in
            // Asked again inside the transaction: a manifest may have changed since the token was decided.
            let client = try standing(of: token.client, issuedAt, in: database)
            if case .refused(let cause) = client.entitlement(to: token.audience) {
                return .failure(.notEntitled(cause))
            }
            if let objection = try TokenLedger.objection(to: token.client, token.thumbprint, now: time, in: database) {
                return .failure(.tooMany(objection))
            }
            try TokenLedger.record(token, in: database)
            try AuditChain.append([event.entry(at: time)], to: database)
            return .success(())
        }
    }

    /// One transaction. Whoever objects has written nothing yet.
    private func stored<Value: Sendable>(
        for client: SPIFFEID, _ work: @escaping @Sendable (Database) throws -> Result<Value, OAuthObjection>,
    ) async throws -> Value {
        try await store.write(for: client, work).get()
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
        // Whoever proves nothing must not be able to fill the disk with refusals; beyond some they are a number.
        let verdict = event.caller == nil ? strangers.take(at: time) : nil
        guard verdict?.isTold ?? true else { return }
        var entries = [event.entry(at: time)]
        if let untold = verdict?.untold, untold > 0 {
            entries.insert(.untold(event.kind.rawValue, untold, at: time), at: 0)
        }
        try await store.write(for: event.caller) { [entries] in try AuditChain.append(entries, to: $0) }
    }
}

extension OAuthEvent {
    /// - Parameter count: how many refusals it stands for; nil: itself alone.
    func entry(at time: Date, count: Int? = nil) -> AuditChain.Entry {
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
                "reason": .string(reason), "count": count.map { .integer(Int64($0)) },
            ],
        )
    }
}
