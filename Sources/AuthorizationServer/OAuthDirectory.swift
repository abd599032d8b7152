package import SPIFFE

/// What the authorization server asks of the registry, at each request anew.
package protocol OAuthDirectory: Sendable {
    /// Local and federated; with their JWT-SVID keys.
    func bundles() async throws -> BundleSet
    /// - Parameter issuedAt: of the credential that proves it; nil where none does, as of a token's client when somebody else asks.
    func standing(of id: SPIFFEID, issuedAt: IssueTime?) async throws -> ClientStanding
}
