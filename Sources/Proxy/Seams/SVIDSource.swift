package import SPIFFE
package import Workloads

/// Where the credentials of local workloads come from.
package protocol SVIDSource: Sendable {
    /// The current SVID; waits, bounded, while the first one is on its way.
    func svid(for workload: SPIFFEID, process: ProcessKey?) async throws -> X509SVID
    /// Whom to trust, now.
    func bundles() -> BundleSet
}
