package import SPIFFE
package import Workloads

/// What the authorization server asks of the registry, at each request anew.
package protocol OAuthDirectory: Sendable {
    func resources() async throws -> [ProtectedResource]
    /// Local and federated; with their JWT-SVID keys.
    func bundles() async throws -> BundleSet
    /// Why a credential of this identity is not taken: no manifest gives it, or what was issued then is withdrawn. nil: it is.
    func objection(to id: SPIFFEID, issuedAt: IssueTime) async throws -> String?
    /// Whether a manifest gives this identity to somebody, now.
    func isActive(_ id: SPIFFEID) async throws -> Bool
    /// - Parameter path: `spec.workloadID` of an identity. nil where no manifest has it.
    func spiffeID(at path: SPIFFEPath) async throws -> SPIFFEID?
}
