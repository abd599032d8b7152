import Foundation
import Limits
import SPIFFE
import Workloads

/// `POST /token`: client_credentials, RFC 6749, section 4.4.
extension AuthorizationServer {
    func issueToken(_ request: OAuthRequest, _ event: inout OAuthEvent) async throws -> OAuthResponse {
        let form = try FormParameters(parsing: request.body)
        event.resource = form["resource"].map { $0.cut(toJSONBytes: Limits.Audit.nameBytes) }
        let caller = try await caller(of: request, form, requiresClientID: true, &event)
        guard try form.required("grant_type") == "client_credentials" else {
            throw OAuthRefusal(.unsupportedGrantType, "\(caller.id) asked for another grant")
        }
        let token = try token(for: caller, try await client(caller, event), form)
        event.kind = .tokenIssued
        event.tokenID = token.id
        event.resource = token.audience
        event.scopes = token.scopes
        event.thumbprint = token.thumbprint
        event.reason = "allowedSPIFFEIDs of the resource has the client"
        let response = try tokenResponse(token)
        try await store.record(token, provenBy: caller.issuedAt, telling: event)
        return response
    }

    /// As it stands, registered by this request where the configuration wants that.
    private func client(_ caller: AuthenticatedCaller, _ event: OAuthEvent) async throws -> ClientStanding {
        let client = try await standing(of: caller)
        if client.isRegistered { return client }
        guard configuration.registersOnFirstUse else { throw OAuthRefusal(.notRegistered(caller.id)) }
        let newcomer = OAuthClient(spiffeID: caller.id, name: nil, method: caller.method, registeredAt: now())
        _ = try await admit(newcomer, provenBy: caller.issuedAt, event: event)
        return try await standing(of: caller)
    }

    private func token(
        for caller: AuthenticatedCaller, _ client: ClientStanding, _ form: FormParameters,
    ) throws -> IssuedToken {
        let decision = TokenPolicy.decision(client: client, requested: form.all("resource"), scope: form["scope"])
        switch decision {
        case .refuse(let refusal): throw refusal
        case .grant(let resource, let scopes):
            let issuedAt = now().timeIntervalSince1970.rounded(.down)
            return IssuedToken(
                id: UUID().uuidString.lowercased(),
                client: caller.id,
                audience: resource.resource.text,
                scopes: scopes,
                thumbprint: try TokenPolicy.binding(of: caller, allowsUnbound: configuration.allowsUnboundTokens),
                issuedAt: Date(timeIntervalSince1970: issuedAt),
                expiresAt: Date(timeIntervalSince1970: try expiry(of: caller, issuedAt: issuedAt)),
            )
        }
    }

    /// Never later than the SVID the token hangs on: a rotated certificate no longer matches the binding.
    private func expiry(of caller: AuthenticatedCaller, issuedAt: TimeInterval) throws(OAuthRefusal) -> TimeInterval {
        let hangsOn = caller.certificate?.notAfter ?? caller.provenUntil
        let wanted = issuedAt + configuration.accessTokenLifetime / .seconds(1)
        let expiry = min(wanted, hangsOn.timeIntervalSince1970).rounded(.down)
        guard expiry > issuedAt else { throw OAuthRefusal(.invalidClient, "the SVID of \(caller.id) ends this second") }
        return expiry
    }

    /// RFC 6749, section 5.1; without a refresh token, section 4.4.3.
    private func tokenResponse(_ token: IssuedToken) throws -> OAuthResponse {
        let members: [String: JSONValue] = [
            "access_token": .string(try tokens.encode(token)),
            "token_type": "Bearer",
            "expires_in": .integer(Int64(token.expiresAt.timeIntervalSince(token.issuedAt))),
            "scope": .string(token.scopes.joined(separator: " ")),
        ]
        return .json(200, members)
    }
}
