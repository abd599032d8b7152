package import SPIFFE
package import Workloads

/// What makes the next ``PolicySnapshot`` of the one before: of the identities, of endpoints and of what is taken back that which differs, and
/// all of the rest, which is little.
///
/// Sent by the control plane in place of a whole snapshot, on any line of a stream but the first. Good for the version it names
/// and for no other: see ``snapshot(after:)``.
package struct SnapshotChange: Sendable, Codable, Equatable {
    /// The version of the line before.
    package var since: UInt64
    package var version: UInt64
    package var trustDomain: TrustDomain
    package var bundle: TrustBundle
    /// Identities that were added, or are others now, in the order of their names.
    package var changed: [WorkloadIdentity]
    /// Names of identities that are gone, in order.
    package var removed: [String]
    package var resources: [ProtectedResource]
    package var endpoints: SetChange<Endpoint>
    package var withdrawn: SetChange<SPIFFEID>
    package var revokedTokens: SetChange<String>
    package var svidLifetime: Int
    package var managedNetworks: ManagedNetworks?
    package var withdrawals: SetChange<Withdrawal>

    enum CodingKeys: String, CodingKey, CaseIterable {
        case since, version, trustDomain, bundle, changed, removed, resources, endpoints, withdrawn, revokedTokens
        case svidLifetime, managedNetworks, withdrawals
    }

    /// - Parameter former: of the line before.
    package init(from former: PolicySnapshot, to next: PolicySnapshot) {
        since = former.version
        version = next.version
        trustDomain = next.trustDomain
        bundle = next.bundle
        (changed, removed) = Self.difference(from: former.identities, to: next.identities)
        resources = next.resources
        endpoints = SetChange(from: former.endpoints, to: next.endpoints)
        withdrawn = SetChange(from: former.withdrawn, to: next.withdrawn)
        revokedTokens = SetChange(from: former.revokedTokens, to: next.revokedTokens)
        svidLifetime = next.svidLifetime
        managedNetworks = next.managedNetworks
        withdrawals = SetChange(from: former.withdrawals ?? [], to: next.withdrawals ?? [])
    }

    package init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: CodingKeys.self)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        since = try container.decode(UInt64.self, forKey: .since)
        version = try container.decode(UInt64.self, forKey: .version)
        trustDomain = try container.decode(TrustDomain.self, forKey: .trustDomain)
        bundle = try container.decode(TrustBundle.self, forKey: .bundle)
        changed = try container.decode([WorkloadIdentity].self, forKey: .changed)
        removed = try container.decode([String].self, forKey: .removed)
        resources = try container.decode([ProtectedResource].self, forKey: .resources)
        endpoints = try container.decode(SetChange<Endpoint>.self, forKey: .endpoints)
        withdrawn = try container.decode(SetChange<SPIFFEID>.self, forKey: .withdrawn)
        revokedTokens = try container.decode(SetChange<String>.self, forKey: .revokedTokens)
        svidLifetime = try container.decode(Int.self, forKey: .svidLifetime)
        managedNetworks = try container.decodeIfPresent(ManagedNetworks.self, forKey: .managedNetworks)
        withdrawals = try container.decode(SetChange<Withdrawal>.self, forKey: .withdrawals)
    }

    /// Both are in the order of their names.
    private static func difference(
        from old: [WorkloadIdentity], to new: [WorkloadIdentity],
    ) -> (changed: [WorkloadIdentity], removed: [String]) {
        var changed: [WorkloadIdentity] = []
        var removed: [String] = []
        var rest = old[...]
        for identity in new {
            while let first = rest.first, first.name < identity.name { removed.append(rest.removeFirst().name) }
            let former = rest.first?.name == identity.name ? rest.removeFirst() : nil
            if former != identity { changed.append(identity) }
        }
        return (changed, removed + rest.map(\.name))
    }
}

extension SnapshotChange {
    /// - Parameter base: nil where nothing came before.
    /// - Throws: where it is no change of `base`. Fail closed: a policy put together wrongly would look like any other.
    package func snapshot(after base: PolicySnapshot?) throws(SnapshotChangeError) -> PolicySnapshot {
        guard let base, base.version == since else { throw .otherBase(since: since, held: base?.version) }
        let withdrawals = try Self.list(withdrawals, after: base.withdrawals ?? [], "withdrawals")
        return PolicySnapshot(
            version: version, trustDomain: trustDomain, bundle: bundle, identities: try identities(after: base),
            resources: resources, endpoints: try Self.list(endpoints, after: base.endpoints, "endpoints"),
            withdrawn: try Self.list(withdrawn, after: base.withdrawn, "withdrawn"),
            revokedTokens: try Self.list(revokedTokens, after: base.revokedTokens, "revokedTokens"),
            svidLifetime: svidLifetime, managedNetworks: managedNetworks,
            withdrawals: withdrawals.isEmpty ? nil : withdrawals)
    }

    private static func list<Element>(
        _ change: SetChange<Element>, after base: [Element], _ name: String,
    ) throws(SnapshotChangeError) -> [Element] {
        guard let list = change.list(after: base) else { throw .otherList(name) }
        return list
    }

    private func identities(after base: PolicySnapshot) throws(SnapshotChangeError) -> [WorkloadIdentity] {
        var named: Set<String> = []
        for name in removed + changed.map(\.name) where !named.insert(name).inserted { throw .namedTwice(name) }
        var missing = Set(removed)
        let kept = base.identities.filter { identity in
            missing.remove(identity.name)
            return !named.contains(identity.name)
        }
        if let name = missing.min() { throw .notThere(name) }
        return (kept + changed).sorted { $0.name < $1.name }
    }
}

/// Why a ``SnapshotChange`` cannot be followed.
package enum SnapshotChangeError: Error, Equatable, CustomStringConvertible {
    case otherBase(since: UInt64, held: UInt64?)
    case namedTwice(String)
    /// Taken away, but not there.
    case notThere(String)
    case endpoints(count: Int, expected: Int)
    /// A list that is not that of the line before.
    case otherList(String)

    package var description: String {
        switch self {
        case .otherBase(let since, let held):
            "a change since version \(since) after " + (held.map { "version \($0)" } ?? "nothing")
        case .namedTwice(let name): "a change that names WorkloadIdentity \(name) twice"
        case .notThere(let name): "a change that takes WorkloadIdentity \(name) away, which is not there"
        case .otherList(let name): "a change of \(name) after another list than it was made for"
        case .endpoints(let count, let expected): "a change that makes \(count) endpoints, not \(expected)"
        }
    }
}
