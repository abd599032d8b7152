import Foundation
import SPIFFE

enum IntrospectionDecision: Equatable {
    case active(IssuedToken)
    case inactive(because: String)
}

/// May this caller hear that this token is good?
enum IntrospectionPolicy {
    /// - Parameters:
    ///   - token: what the store has of it; nil where it has nothing.
    ///   - servers: the workloads that serve the token's resource, now.
    ///   - clientStands: whether the client's identity is still given, registered, and allowed for the resource.
    static func decision(
        token: IssuedToken?, caller: SPIFFEID, servers: [SPIFFEID], clientStands: Bool, now: Date,
    ) -> IntrospectionDecision {
        guard let token else { return .inactive(because: "no token of this server") }
        guard servers.contains(caller) else {
            return .inactive(because: "\(caller) does not serve \(token.audience)")
        }
        guard token.revokedAt == nil else { return .inactive(because: "revoked") }
        guard token.expiresAt > now else { return .inactive(because: "expired") }
        guard clientStands else {
            return .inactive(because: "\(token.client) was deleted, deregistered, or is no longer allowed")
        }
        return .active(token)
    }
}
