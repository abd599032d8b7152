import Foundation

/// `POST /revoke`: RFC 7009, for a client's own tokens.
extension AuthorizationServer {
    func revoke(_ request: OAuthRequest, _ event: inout OAuthEvent) async throws -> OAuthResponse {
        let form = try FormParameters(parsing: request.body)
        let caller = try await caller(of: request, form, requiresClientID: true, &event)
        _ = try await standing(of: caller)
        event.kind = .tokenRevoked
        event.reason = "not a token of this server"
        if let token = try await storedToken(form.required("token")) {
            event.tokenID = token.id
            event.resource = token.audience
            guard token.client == caller.id else {
                throw OAuthRefusal(.unauthorizedClient, "\(caller.id) tried to revoke a token of \(token.client)")
            }
            event.reason = "revoked by its client"
            try await store.revokeToken(token.id, at: now(), telling: event)
        } else {
            try await journal.record(event)
        }
        return .json(200, [:])
    }
}
