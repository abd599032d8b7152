package import Foundation
package import GRDB
import SPIFFE
import Workloads
import ControlPlaneAPI

/// Which access tokens were issued, for whom and for what, until they run out.
package enum TokenLedger {
    /// `jti` of each revoked token.
    package static func revoked(in database: Database) throws -> [String] {
        try String.fetchAll(database, sql: "SELECT jti FROM oauth_tokens WHERE revoked_at IS NOT NULL ORDER BY jti")
    }

    /// Revokes every live token whose client or resource is gone, or whose client may not have one any more.
    static func revokeUnentitled(
        content: RegistryContent, trustDomain: TrustDomain, now: Date, in database: Database,
    ) throws {
        let present = content.spiffeIDs(in: trustDomain)
        let live = try Row.fetchAll(
            database,
            sql: "SELECT jti, client_id, resource FROM oauth_tokens WHERE revoked_at IS NULL AND expires_at > ?",
            arguments: [now.milliseconds],
        )
        for row in live {
            let client = try SPIFFEID(row["client_id"])
            let resource = content.resources.first { $0.resource.text == row["resource"] as String }
            guard !present.contains(client) || resource?.allowed.contains(where: { $0.matches(client) }) != true else { continue }
            try revoke(row["jti"], client: client, because: "its client or resource was changed", now: now, in: database)
        }
    }

    private static func revoke(
        _ id: String, client: SPIFFEID, because reason: String, now: Date, in database: Database,
    ) throws {
        try database.execute(
            sql: "UPDATE oauth_tokens SET revoked_at = ? WHERE jti = ?", arguments: [now.milliseconds, id])
        let entry = AuditChain.Entry(
            time: now, type: "token.revoked",
            details: ["tokenID": .string(id), "spiffeID": .string(client.description), "reason": .string(reason)],
        )
        try AuditChain.append([entry], to: database)
    }
}
