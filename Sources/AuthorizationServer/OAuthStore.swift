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
    /// Kept as a tombstone: the same SVID does not bring a deregistered client back.
    package var deregisteredAt: Date?

    package init(
        spiffeID: SPIFFEID, name: String?, method: ClientAuthenticationMethod, registeredAt: Date,
        deregisteredAt: Date? = nil,
    ) {
        self.spiffeID = spiffeID
        self.name = name
        self.method = method
        self.registeredAt = registeredAt
        self.deregisteredAt = deregisteredAt
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

/// Where clients and issued tokens are kept.
package protocol OAuthStore: Sendable {
    /// Tombstones included.
    func client(_ id: SPIFFEID) async throws -> OAuthClient?
    /// Keeps `client` unless there is one, or a tombstone, of that SPIFFE ID; atomic.
    /// - Returns: the one that is kept, which `created` says is this one.
    func register(_ client: OAuthClient) async throws -> (client: OAuthClient, created: Bool)
    func record(_ token: IssuedToken) async throws
    func token(_ id: String) async throws -> IssuedToken?
    /// Revoking twice keeps the first time.
    func revokeToken(_ id: String, at time: Date) async throws
}
