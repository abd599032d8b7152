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
            + unnameable(concerned.joined().filter { suspects.contains($0.name) })
            + resourceConflicts
    }

    private func unnameable(_ identities: [WorkloadIdentity]) -> [String] {
        identities.sorted { $0.name < $1.name }.compactMap { identity in
            let place = "WorkloadIdentity \(identity.name): spec.workloadID"
            do {
                let id = try identity.exampleID(in: trustDomain)
                // Fail closed: with such a name a workload could pass for the control plane or an agent.
                return (id.path + "/").hasPrefix(IssuancePolicy.reservedPath)
                    ? "\(place): expected a name outside tidemark/, which is the control plane's own" : nil
            } catch {
                return "\(place): \(error)"
            }
        }
    }

    private var resourceConflicts: [String] {
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
