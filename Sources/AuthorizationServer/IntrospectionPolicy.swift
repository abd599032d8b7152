import Foundation
import SPIFFE

enum IntrospectionDecision: Equatable {
    case active(IssuedToken)
    case inactive(because: String)
}

/// May this caller hear that this token is good?
enum IntrospectionPolicy {
    /// - Parameters:
    ///   - token: what the store has of it.
    ///   - server: who asks.
    ///   - client: whom the token was issued to.
    static func decision(
        token: IssuedToken, server: ClientStanding, client: ClientStanding, now: Date,
    ) -> IntrospectionDecision {
        guard server.serves(token.audience) else {
            return .inactive(because: "\(server.id) does not serve \(token.audience)")
        }
        guard token.revokedAt == nil else { return .inactive(because: "revoked") }
        guard token.expiresAt > now else { return .inactive(because: "expired") }
        if case .refused(let cause) = client.entitlement(to: token.audience) {
            return .inactive(because: "its client lost its right: \(cause)")
        }
        return .active(token)
    }
}
