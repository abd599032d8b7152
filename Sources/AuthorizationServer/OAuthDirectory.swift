package import SPIFFE
package import Workloads

/// What the authorization server asks of the registry, at each request anew.
package protocol OAuthDirectory: Sendable {
    func resources() async throws -> [ProtectedResource]
    /// Local and federated; with their JWT-SVID keys.
    func bundles() async throws -> BundleSet
    /// Whether a manifest gives this identity to somebody, now.
    func isActive(_ id: SPIFFEID) async throws -> Bool
    /// - Parameter workloadID: `spec.workloadID` of an identity. nil where no manifest has it.
    func spiffeID(forWorkloadID workloadID: String) async throws -> SPIFFEID?
}
