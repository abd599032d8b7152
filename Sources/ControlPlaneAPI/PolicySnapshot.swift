package import SPIFFE
package import Workloads

/// Everything one agent has to enforce, whole and numbered.
///
/// Sent by the control plane, one JSON object a line, on `GET /v1/agents/self/snapshots`: the first one whole, each later one
/// mostly as a ``SnapshotChange``. Kept by the agent on disk, as it holds no secret.
package struct PolicySnapshot: Sendable, Codable, Equatable {
    /// Grows with each change anywhere in what the control plane knows; the same number means the same content.
    package var version: UInt64
    package var trustDomain: TrustDomain
    package var bundle: TrustBundle
    /// The identities of this agent's group, in the order of their names.
    package var identities: [WorkloadIdentity]
    /// All of the trust domain.
    package var resources: [ProtectedResource]
    /// Where managed workloads listen, as the agents of all groups report it.
    package var endpoints: [Endpoint]
    /// Identities that were deleted while SVIDs of theirs may be valid.
    package var withdrawn: [SPIFFEID]
    /// `jti` of access tokens that were revoked before their expiry.
    package var revokedTokens: [String]
    /// How long an X.509-SVID lives, in seconds.
    package var svidLifetime: Int

    package init(
        version: UInt64,
        trustDomain: TrustDomain,
        bundle: TrustBundle,
        identities: [WorkloadIdentity],
        resources: [ProtectedResource],
        endpoints: [Endpoint],
        withdrawn: [SPIFFEID],
        revokedTokens: [String],
        svidLifetime: Int,
    ) {
        self.version = version
        self.trustDomain = trustDomain
        self.bundle = bundle
        self.identities = identities
        self.resources = resources
        self.endpoints = endpoints
        self.withdrawn = withdrawn
        self.revokedTokens = revokedTokens
        self.svidLifetime = svidLifetime
    }
}

/// A socket address a managed workload listens on.
package struct Endpoint: Hashable, Sendable, Codable {
    /// IPv4 dotted or IPv6 text, never a wildcard.
    package var address: String
    package var port: UInt16
    package var workload: SPIFFEID

    package init(address: String, port: UInt16, workload: SPIFFEID) {
        self.address = address
        self.port = port
        self.workload = workload
    }
}
