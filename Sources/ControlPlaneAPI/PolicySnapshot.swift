package import SPIFFE
package import Workloads

/// Everything one agent has to enforce, whole and numbered.
///
/// Sent by the control plane, one JSON object a line, on `GET /v1/agents/self/snapshots`: the first one whole, each later one
/// mostly as a ``SnapshotChange``. Kept by the agent on disk, as it holds no secret.
package struct PolicySnapshot: Sendable, Codable, Equatable {
    /// Grows with each change of policy; the same number means the same content but for ``endpoints``, which are no policy.
    package var version: UInt64
    package var trustDomain: TrustDomain
    package var bundle: TrustBundle
    /// The identities of this agent's group, in the order of their names.
    package var identities: [WorkloadIdentity]
    /// All of the trust domain.
    package var resources: [ProtectedResource]
    /// Where managed workloads listen, as the agents of all groups report it.
    package var endpoints: [Endpoint]
    /// Identities that nobody has any more while SVIDs of theirs may be valid.
    package var withdrawn: [SPIFFEID]
    /// `jti` of access tokens that were revoked before their expiry.
    package var revokedTokens: [String]
    /// How long an X.509-SVID lives, in seconds.
    package var svidLifetime: Int
    /// Where no managed workload speaks plain. nil: nowhere in particular.
    package var managedNetworks: ManagedNetworks?
    /// What was issued to these IDs until then is taken back, though somebody has them. nil: nothing is.
    package var withdrawals: [Withdrawal]?

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
        managedNetworks: ManagedNetworks? = nil,
        withdrawals: [Withdrawal]? = nil,
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
        self.managedNetworks = managedNetworks
        self.withdrawals = withdrawals
    }
}

extension PolicySnapshot {
    private enum CodingKeys: String, CodingKey, CaseIterable {
        case version, trustDomain, bundle, identities, resources, endpoints, withdrawn, revokedTokens, svidLifetime
        case managedNetworks, withdrawals
    }

    /// Fail closed: a key that this release does not know could be one that forbids something.
    package init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: CodingKeys.self)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        version = try container.decode(UInt64.self, forKey: .version)
        trustDomain = try container.decode(TrustDomain.self, forKey: .trustDomain)
        bundle = try container.decode(TrustBundle.self, forKey: .bundle)
        identities = try container.decode([WorkloadIdentity].self, forKey: .identities)
        resources = try container.decode([ProtectedResource].self, forKey: .resources)
        endpoints = try container.decode([Endpoint].self, forKey: .endpoints)
        withdrawn = try container.decode([SPIFFEID].self, forKey: .withdrawn)
        revokedTokens = try container.decode([String].self, forKey: .revokedTokens)
        svidLifetime = try container.decode(Int.self, forKey: .svidLifetime)
        managedNetworks = try container.decodeIfPresent(ManagedNetworks.self, forKey: .managedNetworks)
        withdrawals = try container.decodeIfPresent([Withdrawal].self, forKey: .withdrawals)
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

/// Credentials that are taken back of an ID that somebody has.
package struct Withdrawal: Hashable, Sendable, Codable {
    package var spiffeID: SPIFFEID
    /// The last second whose issues are: since 1970.
    package var through: IssueTime

    package init(spiffeID: SPIFFEID, through: IssueTime) {
        self.spiffeID = spiffeID
        self.through = through
    }
}

extension PolicySnapshot {
    package var takenBack: Withdrawals {
        Withdrawals(
            gone: Set(withdrawn),
            through: Dictionary((withdrawals ?? []).map { ($0.spiffeID, $0.through) }, uniquingKeysWith: max))
    }
}
