import Foundation
import SPIFFE
import Workloads

/// `POST /introspect`: RFC 7662, for the workload that serves the token's resource, by its own SVID.
extension AuthorizationServer {
    func introspect(_ request: OAuthRequest, _ event: inout OAuthEvent) async throws -> OAuthResponse {
        let form = try FormParameters(parsing: request.body)
        // A resource server is no registered client and need not name itself: its SVID says who it is.
        let caller = try await authentication().caller(of: request, form, requiresClientID: false)
        event.set(caller)
        if let objection = try await directory.objection(to: caller.id, issuedAt: caller.issuedAt) {
            throw OAuthRefusal(.invalidClient, objection)
        }
        let text = try form.required("token")
        let decision = try await decision(on: text, for: caller.id, &event)
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
        on text: String, for caller: SPIFFEID, _ event: inout OAuthEvent,
    ) async throws -> IntrospectionDecision {
        let token = try await storedToken(text)
        event.tokenID = token?.id
        event.resource = token?.audience
        event.thumbprint = token?.thumbprint
        let resources = try await directory.resources().filter { $0.resource.text == token?.audience }
        var servers: [SPIFFEID] = []
        for resource in resources {
            if let server = try await directory.spiffeID(at: resource.servedBy) { servers.append(server) }
        }
        let allowed = resources.contains { resource in
            resource.allowed.contains { pattern in token.map { pattern.matches($0.client) } ?? false }
        }
        return IntrospectionPolicy.decision(
            token: token, caller: caller, servers: servers,
            clientStands: allowed ? try await stands(token?.client) : false, now: now(),
        )
    }

    private func stands(_ client: SPIFFEID?) async throws -> Bool {
        guard let client, try await directory.isActive(client) else { return false }
        return try await store.client(client) != nil
    }

    /// What is known of a token this server signed.
    func storedToken(_ text: String) async throws -> IssuedToken? {
        guard let id = tokens.tokenID(of: text) else { return nil }
        return try await store.token(id)
    }
}
