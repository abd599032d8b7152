/// What makes of a ``PolicySnapshot`` the same policy with other endpoints.
///
/// Sent by the control plane on any line of a stream but the first, where nothing but endpoints is another: they are no policy and
/// raise no version.
package struct EndpointChange: Sendable, Codable, Equatable {
    /// Of the line before, and still in force.
    package var version: UInt64
    package var endpointsAdded: [Endpoint]
    package var endpointsRemoved: [Endpoint]
    /// How many there are now.
    package var endpointCount: Int

    enum CodingKeys: String, CodingKey, CaseIterable {
        case version, endpointsAdded, endpointsRemoved, endpointCount
    }

    package init(version: UInt64, from old: [Endpoint], to new: [Endpoint]) {
        self.version = version
        let former = Set(old)
        let next = Set(new)
        endpointsAdded = new.filter { !former.contains($0) }
        endpointsRemoved = old.filter { !next.contains($0) }
        endpointCount = new.count
    }

    package init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: CodingKeys.self)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        version = try container.decode(UInt64.self, forKey: .version)
        endpointsAdded = try container.decode([Endpoint].self, forKey: .endpointsAdded)
        endpointsRemoved = try container.decode([Endpoint].self, forKey: .endpointsRemoved)
        endpointCount = try container.decode(Int.self, forKey: .endpointCount)
    }

    package var isEmpty: Bool { endpointsAdded.isEmpty && endpointsRemoved.isEmpty }

    /// - Throws: where it is no change of `base`. Fail closed: a place that is not known is dialled in plain text.
    package func snapshot(after base: PolicySnapshot?) throws(SnapshotChangeError) -> PolicySnapshot {
        guard var snapshot = base, snapshot.version == version else {
            throw .otherBase(since: version, held: base?.version)
        }
        let removed = Set(endpointsRemoved)
        snapshot.endpoints = snapshot.endpoints.filter { !removed.contains($0) } + endpointsAdded
        guard snapshot.endpoints.count == endpointCount, Set(snapshot.endpoints).count == endpointCount else {
            throw .endpoints(count: snapshot.endpoints.count, expected: endpointCount)
        }
        return snapshot
    }
}
