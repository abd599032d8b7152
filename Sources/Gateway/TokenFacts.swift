package import Foundation
package import SPIFFE

/// What introspection said of a token (RFC 7662, section 2.2), reduced to what a decision needs.
package enum TokenStatus: Sendable, Equatable {
    case active(TokenFacts)
    case inactive
}

/// What introspection says of an active token, RFC 7662, section 2.2.
package struct TokenFacts: Sendable, Equatable {
    /// `jti`.
    package let id: String
    /// `sub`.
    package let subject: SPIFFEID
    /// `aud`.
    package let audience: String
    package let scopes: Set<String>
    /// `cnf.x5t#S256`.
    package let thumbprint: String?
    package let expiresAt: Date

    package init(
        id: String, subject: SPIFFEID, audience: String, scopes: Set<String>, thumbprint: String?, expiresAt: Date,
    ) {
        self.id = id
        self.subject = subject
        self.audience = audience
        self.scopes = scopes
        self.thumbprint = thumbprint
        self.expiresAt = expiresAt
    }
}
