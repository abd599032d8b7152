import Issuer
import SPIFFE
import Workloads

/// All manifests at one moment.
struct RegistryContent: Sendable {
    var identities: [WorkloadIdentity] = []
    var resources: [ProtectedResource] = []

    init(_ manifests: some Sequence<Manifest>) {
        for manifest in manifests.sorted(by: { $0.name < $1.name }) {
            switch manifest {
            case .workloadIdentity(let identity): identities.append(identity)
            case .protectedResource(let resource): resources.append(resource)
            }
        }
    }

    func given(in domain: TrustDomain) -> GivenIDs { GivenIDs(by: identities, in: domain) }

    /// What is wrong with the manifests taken together; each on its own is valid.
    func findings(trustDomain: TrustDomain) -> [String] {
        Precedence.conflicts(in: identities).map(\.description) + SelectorProgram.excess(in: identities)
            + unnameable(in: trustDomain) + resourceConflicts
    }

    private func unnameable(in domain: TrustDomain) -> [String] {
        identities.compactMap { identity in
            let place = "WorkloadIdentity \(identity.name): spec.workloadID"
            do {
                // Fail closed: with such a name a workload could pass for the control plane or an agent.
                let isReserved = try (identity.exampleID(in: domain).path + "/").hasPrefix(IssuancePolicy.reservedPath)
                return isReserved
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
