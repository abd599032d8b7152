package import AuthorizationServer
import ControlPlaneAPI
package import Foundation
package import GRDB
import Limits
import SPIFFE
import Workloads

/// Which access tokens were issued, for whom and for what, until they run out. The tokens themselves are not kept.
package enum TokenLedger {
    /// Also forgets tokens that have run out.
    package static func record(_ token: IssuedToken, in database: Database) throws {
        // Revoked ones are on the agents' lists, and leave with the next version.
        try database.execute(
            sql: "DELETE FROM oauth_tokens WHERE revoked_at IS NULL AND expires_at < ?",
            arguments: [token.issuedAt.milliseconds],
        )
        try database.execute(
            sql: """
                INSERT INTO oauth_tokens
                    (jti, client_id, resource, scopes, thumbprint, issued_at, expires_at, agent_group)
                SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7,
                    coalesce((SELECT agent_group FROM issuances WHERE spiffe_id = ?2), '')
                """,
            arguments: [
                token.id, token.client.description, token.audience, token.scopes.joined(separator: " "),
                token.thumbprint?.base64URL, token.issuedAt.milliseconds, token.expiresAt.milliseconds,
            ],
        )
    }

    /// Why there are no more tokens for now. Revoked ones count until they have run out: agents are told of each.
    ///
    /// - Parameter thumbprint: of the SVID that asks.
    static func objection(
        to client: SPIFFEID, _ thumbprint: CertificateThumbprint?, now: Date, in database: Database,
    ) throws -> String? {
        let ofSVID = try count(
            "client_id = ? AND thumbprint IS ?", [client.description, thumbprint?.base64URL], now, in: database)
        guard ofSVID < Limits.Tokens.ofSVID else {
            return
                "this SVID of \(client) has \(ofSVID) tokens that have not run out, the most of one SVID (Tokens.ofSVID); use a token again until it runs out, within \(Self.lifetime) minutes"
        }
        let group = try String.fetchOne(
            database, sql: "SELECT agent_group FROM issuances WHERE spiffe_id = ?", arguments: [client.description])
        let own = try count("agent_group = ?", [group ?? ""], now, in: database)
        let free = Limits.Tokens.inAll - (try countAll(now, in: database))
        guard
            let bound = Bound(reachedBy: own, of: Limits.Tokens.ofGroup, free: free, of: Limits.Tokens.inAll)
        else { return nil }
        // Of those that run out first: whoever is refused must not cost a look at all of them each time.
        let largest = try Row.fetchOne(
            database,
            sql: """
                SELECT client_id, count(*) AS number, sum(count(*)) OVER () AS looked_at FROM
                    (SELECT client_id FROM oauth_tokens WHERE agent_group = ? AND expires_at > ?
                        ORDER BY expires_at LIMIT 1000)
                GROUP BY client_id ORDER BY number DESC, client_id LIMIT 1
                """, arguments: [group ?? "", now.milliseconds])
        let whose =
            largest.map {
                " (of the \($0["looked_at"] as Int) that run out first \($0["number"] as Int) are of \($0["client_id"] as String))"
            } ?? ""
        return
            "agent group \(group ?? "") has \(own) tokens that have not run out\(whose), and \(bound.text("Tokens")); find out what asks for so many there, or wait \(Self.lifetime) minutes until they have run out"
    }

    /// Of a token, in minutes.
    private static let lifetime = Int(Limits.OAuth.tokenLifetime / .seconds(60))

    /// All less those that have run out, which are few: SQLite counts pages where there is no condition, and rows where there is one.
    private static func countAll(_ now: Date, in database: Database) throws -> Int {
        try Int.fetchOne(
            database,
            sql: """
                SELECT (SELECT count(*) FROM oauth_tokens) - (SELECT count(*) FROM oauth_tokens WHERE expires_at <= ?)
                """, arguments: [now.milliseconds]) ?? 0
    }

    private static func count(
        _ which: String, _ arguments: StatementArguments, _ now: Date, in database: Database,
    ) throws -> Int {
        try Int.fetchOne(
            database, sql: "SELECT count(*) FROM oauth_tokens WHERE \(which) AND expires_at > ?",
            arguments: arguments + [now.milliseconds]) ?? 0
    }

    /// - Parameter id: `jti`.
    /// - Returns: nil: never issued here, or forgotten since it ran out.
    package static func token(_ id: String, in database: Database) throws -> IssuedToken? {
        let row = try Row.fetchOne(database, sql: "SELECT * FROM oauth_tokens WHERE jti = ?", arguments: [id])
        return try row.map { row in
            IssuedToken(
                id: id,
                client: try SPIFFEID(row["client_id"]),
                audience: row["resource"],
                scopes: (row["scopes"] as String).split(separator: " ").map(String.init),
                thumbprint: (row["thumbprint"] as String?).map(CertificateThumbprint.init(base64URL:)),
                issuedAt: Date(milliseconds: row["issued_at"]),
                expiresAt: Date(milliseconds: row["expires_at"]),
                revokedAt: (row["revoked_at"] as Int64?).map(Date.init(milliseconds:)),
            )
        }
    }

    /// - Returns: whether it is this call that revoked it.
    package static func revoke(_ id: String, now: Date, in database: Database) throws -> Bool {
        try database.execute(
            sql: "UPDATE oauth_tokens SET revoked_at = ? WHERE jti = ? AND revoked_at IS NULL",
            arguments: [now.milliseconds, id],
        )
        return database.changesCount == 1
    }

    /// `jti` of each revoked token.
    package static func revoked(in database: Database) throws -> [String] {
        try String.fetchAll(database, sql: "SELECT jti FROM oauth_tokens WHERE revoked_at IS NOT NULL ORDER BY jti")
    }

    /// Takes away an identity's registration and its tokens. Nothing hinders another registration.
    static func deregister(
        _ client: SPIFFEID, because reason: String, now: Date, in database: Database,
    ) throws {
        let live = try String.fetchAll(
            database,
            sql: "SELECT jti FROM oauth_tokens WHERE client_id = ? AND revoked_at IS NULL AND expires_at > ?",
            arguments: [client.description, now.milliseconds])
        for id in live { try revoke(id, of: client, because: reason, now: now, in: database) }
        try database.execute(sql: "DELETE FROM oauth_clients WHERE client_id = ?", arguments: [client.description])
        guard database.changesCount > 0 else { return }
        let entry = AuditChain.Entry(
            time: now, type: "client.deregistered",
            details: ["spiffeID": .string(client.description), "reason": .string(reason)])
        try AuditChain.append([entry], to: database)
    }

    private static func revoke(
        _ id: String, of client: SPIFFEID, because reason: String, now: Date, in database: Database,
    ) throws {
        guard try revoke(id, now: now, in: database) else { return }
        let entry = AuditChain.Entry(
            time: now, type: "token.revoked",
            details: [
                "tokenID": .string(id), "spiffeID": .string(client.description), "reason": .string(reason),
            ],
        )
        try AuditChain.append([entry], to: database)
    }

    /// Revokes every live token whose client has lost its right to it, as after a change of manifests.
    static func revokeUnentitled(content: RegistryContent, now: Date, in database: Database) throws {
        let live = try Row.fetchAll(
            database,
            sql: """
                SELECT jti, client_id, resource,
                    client_id IN (SELECT client_id FROM oauth_clients) AS registered
                FROM oauth_tokens WHERE revoked_at IS NULL AND expires_at > ?
                """,
            arguments: [now.milliseconds],
        )
        for row in live {
            let client = try SPIFFEID(row["client_id"])
            let standing = ClientStanding(
                id: client, objection: content.gives(client) ? nil : "no manifest gives \(client)",
                isRegistered: row["registered"], resources: content.resources)
            guard case .refused(let cause) = standing.entitlement(to: row["resource"]) else { continue }
            let reason = "a manifest was changed or deleted: \(cause)"
            try revoke(row["jti"], of: client, because: reason, now: now, in: database)
        }
    }
}
