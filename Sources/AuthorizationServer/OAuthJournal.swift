package import SPIFFE

/// One thing the authorization server decided. Members that say nothing of the case are nil.
package struct OAuthEvent: Sendable, Equatable {
    /// As the audit names it; docs/cli.md has them all.
    package enum Kind: String, Sendable, CaseIterable {
        case clientRegistered = "client.registered"
        case clientRefused = "client.refused"
        case tokenIssued = "token.issued"
        case tokenRefused = "token.refused"
        case tokenIntrospected = "token.introspected"
        case introspectionRefused = "introspection.refused"
        case tokenRevoked = "token.revoked"
        case revocationRefused = "revocation.refused"
    }

    package var kind: Kind
    /// Who asked, as far as a credential proved it.
    package var caller: SPIFFEID?
    package var method: ClientAuthenticationMethod?
    /// Of the caller's certificate.
    package var svidSerial: String?
    /// `jti`.
    package var tokenID: String?
    package var resource: String?
    package var scopes: [String]?
    /// `cnf.x5t#S256`.
    package var thumbprint: CertificateThumbprint?
    /// Of an introspected token.
    package var active: Bool?
    package var reason: String

    package init(_ kind: Kind, reason: String) {
        self.kind = kind
        self.reason = reason
    }
}

/// Where the authorization server tells what it did. When it cannot be told, nothing is done.
package protocol OAuthJournal: Sendable {
    func record(_ event: OAuthEvent) async throws
}
