import Foundation
import Limits
import SPIFFE
import Workloads

/// `POST /token`: client_credentials, RFC 6749, section 4.4.
extension AuthorizationServer {
    func issueToken(_ request: OAuthRequest, _ event: inout OAuthEvent) async throws -> OAuthResponse {
        let form = try FormParameters(parsing: request.body)
        event.resource = form["resource"].map { $0.cut(toJSONBytes: 256) }
        let caller = try await authentication().caller(of: request, form, requiresClientID: true)
        event.set(caller)
        guard try form.required("grant_type") == "client_credentials" else {
            throw OAuthRefusal(.unsupportedGrantType, "\(caller.id) asked for another grant")
        }
        try await requireClient(caller, event)
        let token = try await token(for: caller, form)
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

    /// An identity that a manifest gives, registered, by a proof that is not withdrawn.
    private func requireClient(_ caller: AuthenticatedCaller, _ event: OAuthEvent) async throws {
        if let objection = try await directory.objection(to: caller.id, issuedAt: caller.issuedAt) {
            throw OAuthRefusal(.invalidClient, objection)
        }
        var client = try await store.client(caller.id)
        if client == nil, configuration.registersOnFirstUse {
            let newcomer = OAuthClient(spiffeID: caller.id, name: nil, method: caller.method, registeredAt: now())
            client = try await admit(newcomer, provenBy: caller.issuedAt, event: event)
        }
        guard client != nil else { throw OAuthRefusal(.invalidClient, "\(caller.id) is not registered") }
    }

    private func token(for caller: AuthenticatedCaller, _ form: FormParameters) async throws -> IssuedToken {
        let decision = TokenPolicy.decision(
            client: caller.id, resources: try await directory.resources(), requested: form.all("resource"),
            scope: form["scope"],
        )
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
