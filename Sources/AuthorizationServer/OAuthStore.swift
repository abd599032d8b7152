package import Foundation
package import SPIFFE

/// One OAuth client; its `client_id` is its SPIFFE ID.
package struct OAuthClient: Sendable, Equatable {
    package var spiffeID: SPIFFEID
    /// `client_name`.
    package var name: String?
    /// `token_endpoint_auth_method` it asked for; it may use the other one too.
    package var method: ClientAuthenticationMethod
    package var registeredAt: Date

    package init(spiffeID: SPIFFEID, name: String?, method: ClientAuthenticationMethod, registeredAt: Date) {
        self.spiffeID = spiffeID
        self.name = name
        self.method = method
        self.registeredAt = registeredAt
    }
}

/// draft-ietf-oauth-spiffe-client-auth-02, section 4.
package enum ClientAuthenticationMethod: String, Sendable, Codable, CaseIterable {
    case jwt = "spiffe_jwt"
    case x509 = "spiffe_x509"
}

/// What is kept of an access token: all but the token.
package struct IssuedToken: Sendable, Equatable {
    /// `jti`.
    package var id: String
    /// `client_id` and `sub`.
    package var client: SPIFFEID
    /// `aud`.
    package var audience: String
    package var scopes: [String]
    /// `cnf.x5t#S256`; nil for an unbound token.
    package var thumbprint: CertificateThumbprint?
    /// Whole seconds, as is `expiresAt`.
    package var issuedAt: Date
    package var expiresAt: Date
    package var revokedAt: Date?

    package init(
        id: String, client: SPIFFEID, audience: String, scopes: [String], thumbprint: CertificateThumbprint?,
        issuedAt: Date, expiresAt: Date, revokedAt: Date? = nil,
    ) {
        self.id = id
        self.client = client
        self.audience = audience
        self.scopes = scopes
        self.thumbprint = thumbprint
        self.issuedAt = issuedAt
        self.expiresAt = expiresAt
        self.revokedAt = revokedAt
    }
}

/// Where clients and issued tokens are kept. What is changed is told in the same transaction: both are stored, or neither.
package protocol OAuthStore: Sendable {
    /// Keeps `client` unless there is one of that SPIFFE ID; of a new one `event` tells.
    ///
    /// - Parameter issuedAt: of the SVID that proved it.
    /// - Returns: the one that is kept.
    /// - Throws: ``OAuthObjection`` where the proof was withdrawn meanwhile.
    func register(
        _ client: OAuthClient, provenBy issuedAt: IssueTime, telling event: OAuthEvent,
    ) async throws -> OAuthClient
    /// - Parameter issuedAt: of the SVID that proved its client.
    /// - Throws: ``OAuthObjection`` where the client lost its right, or its proof was withdrawn, meanwhile.
    func record(_ token: IssuedToken, provenBy issuedAt: IssueTime, telling event: OAuthEvent) async throws
    func token(_ id: String) async throws -> IssuedToken?
    /// Revoking twice keeps the first time.
    func revokeToken(_ id: String, at time: Date, telling event: OAuthEvent) async throws
}

/// Why what was decided is not stored.
package enum OAuthObjection: Error, Equatable {
    /// Any more: it was when this was decided.
    case notEntitled(Entitlement.Cause)
    /// The client has its share.
    case tooMany(String)
}
