import Foundation
import SPIFFE

/// `POST /introspect`: RFC 7662, for the workload that serves the token's resource, by its own SVID.
extension AuthorizationServer {
    func introspect(_ request: OAuthRequest, _ event: inout OAuthEvent) async throws -> OAuthResponse {
        let form = try FormParameters(parsing: request.body)
        // A resource server is no registered client and need not name itself: its SVID says who it is.
        let caller = try await caller(of: request, form, requiresClientID: false, &event)
        let server = try await standing(of: caller)
        let text = try form.required("token")
        let decision = try await decision(on: text, for: server, &event)
        event.kind = .tokenIntrospected
        switch decision {
        case .inactive(let reason):
            event.active = false
            event.reason = reason
            try await journal.record(event)
            return .json(200, ["active": false])
        case .active(let token):
            event.active = true
            event.reason = "valid, and \(caller.id) serves its resource"
            try await journal.record(event)
            var members = tokens.claims(of: token)
            members["active"] = true
            members["token_type"] = "Bearer"
            return .json(200, members)
        }
    }

    private func decision(
        on text: String, for server: ClientStanding, _ event: inout OAuthEvent,
    ) async throws -> IntrospectionDecision {
        let token = try await storedToken(text)
        event.tokenID = token?.id
        event.resource = token?.audience
        event.thumbprint = token?.thumbprint
        guard let token else { return .inactive(because: "no token of this server") }
        // Without a time: what its client proved itself by may be withdrawn, and then the client was deregistered.
        let client = try await directory.standing(of: token.client, issuedAt: nil)
        return IntrospectionPolicy.decision(token: token, server: server, client: client, now: now())
    }

    /// What is known of a token this server signed.
    func storedToken(_ text: String) async throws -> IssuedToken? {
        guard let id = tokens.tokenID(of: text) else { return nil }
        return try await store.token(id)
    }
}
