import Issuer
import SPIFFE
import Workloads

/// All manifests at one moment.
struct RegistryContent: Sendable {
    /// What the agents of one group get.
    struct AgentGroup: Sendable {
        /// In the order of their names.
        let identities: [WorkloadIdentity]
        let given: GivenIDs
    }

    private(set) var groups: [String: AgentGroup] = [:]
    /// In the order of their names.
    private(set) var resources: [ProtectedResource] = []
    let trustDomain: TrustDomain
    /// Whether it is known that ``findings(of:)`` finds nothing in it. Not so of what was read from the disk: another release
    /// may have accepted it by other rules.
    private(set) var isSound = false

    init(_ manifests: [Manifest], in trustDomain: TrustDomain) {
        self.trustDomain = trustDomain
        change(ManifestChange(adding: manifests))
    }

    /// Whether some manifest gives this ID to processes, by itself or by a template.
    func gives(_ id: SPIFFEID) -> Bool { groups.values.contains { $0.given.contains(id) } }

    /// Whether some manifest has it written out.
    func writes(_ id: SPIFFEID) -> Bool { groups.values.contains { $0.given.isWritten(id) } }

    func given(toGroup group: String) -> GivenIDs { groups[group]?.given ?? GivenIDs(by: [], in: trustDomain) }

    /// Those of these keys that there are.
    func manifests(_ keys: some Sequence<Manifest.Key>) -> [Manifest] {
        let keys = Set(keys)
        let names = Set(keys.map(\.name))
        let identities = groups.values.flatMap { $0.identities.filter { names.contains($0.name) } }
        let found =
            identities.map(Manifest.workloadIdentity)
            + resources.filter { names.contains($0.name) }.map(Manifest.protectedResource)
        return found.filter { keys.contains($0.key) }
    }
}

// Changing: what a change does not touch is neither compared nor sorted anew.
extension RegistryContent {
    /// - Throws: ``ControlPlaneRefusal/manifest(_:)`` where the result is not in order as a whole.
    func changed(by change: ManifestChange) throws(ControlPlaneRefusal) -> RegistryContent {
        var result = self
        result.change(change)
        let suspects = isSound ? change.newIdentities : result.groups.values.flatMap(\.identities)
        let findings = result.findings(of: Set(suspects.map(\.name)))
        guard findings.isEmpty else { throw .manifest(findings) }
        result.isSound = true
        return result
    }

    /// Takes one away, which leaves the others as sound as they were.
    func without(_ manifest: Manifest) -> RegistryContent {
        var result = self
        result.change(ManifestChange(removing: manifest))
        return result
    }

    private mutating func change(_ change: ManifestChange) {
        let old = Dictionary(grouping: change.oldIdentities, by: \.agentGroup)
        let new = Dictionary(grouping: change.newIdentities, by: \.agentGroup)
        for group in Set(old.keys).union(new.keys) {
            let identities = (groups[group]?.identities ?? [])
                .replacing(old[group] ?? [], with: new[group] ?? [], by: \.name)
            groups[group] =
                identities.isEmpty
                ? nil : AgentGroup(identities: identities, given: GivenIDs(by: identities, in: trustDomain))
        }
        resources = resources.replacing(change.oldResources, with: change.newResources, by: \.name)
    }
}

extension RegistryContent {
    /// What is wrong with the manifests taken together; each on its own is valid.
    ///
    /// - Parameter suspects: names of identities; of the others it is known that nothing is wrong with them taken together.
    func findings(of suspects: Set<String>) -> [String] {
        let concerned = groups.sorted { $0.key < $1.key }.map(\.value.identities)
            .filter { $0.contains { suspects.contains($0.name) } }
        return concerned.flatMap { Precedence.conflicts(of: suspects, in: $0) }.map(\.description)
            + concerned.flatMap { SelectorProgram.excess(in: $0) }
            + resourceConflicts
    }

    private var resourceConflicts: [String] { sameResources + indistinctResources }

    /// Of two that a request cannot be told to be for, neither could ever be called.
    private var indistinctResources: [String] {
        Dictionary(grouping: resources, by: ResourcePlace.init).values.filter { $0.count > 1 }.compactMap { same in
            // Told by ``sameResources``.
            guard Set(same.map(\.resource.text)).count > 1 else { return nil }
            let names = same.map(\.name).sorted().joined(separator: " and ")
            let urls = same.map(\.resource.text).sorted().joined(separator: ", ")
            return
                "ProtectedResource \(names): spec.resource \(urls): one port and path of one workloadID at one address, so no "
                + "request could be told to be for one of them; expected one name for each path of a port. Remedy: keep one of "
                + "them, give them other paths, or write the IP addresses"
        }.sorted()
    }

    private var sameResources: [String] {
        Dictionary(grouping: resources, by: \.resource.text).values.filter { $0.count > 1 }.map { same in
            let names = same.map(\.name).sorted().joined(separator: " and ")
            return
                "ProtectedResource \(names) have the same spec.resource \(same[0].resource); expected one for each"
        }.sorted()
    }
}

extension Array {
    /// Both arrays are in the order of their names and the new ones come to stand among what is left: sorting finds two runs
    /// in order and merges them.
    fileprivate func replacing(_ old: [Element], with new: [Element], by name: (Element) -> String) -> [Element] {
        let gone = Set(old.map(name))
        return (filter { !gone.contains(name($0)) } + new.sorted { name($0) < name($1) })
            .sorted { name($0) < name($1) }
    }
}

/// What of a resource a request shows to whoever serves it: the host names of clients are not among it.
private struct ResourcePlace: Hashable {
    let servedBy: SPIFFEPath
    let port: UInt16
    let path: String
    /// nil: wherever no other one is told by its address.
    let address: [UInt8]?

    init(_ resource: ProtectedResource) {
        servedBy = resource.servedBy
        port = resource.resource.port
        path = resource.resource.path
        address = resource.resource.address
    }
}
