import ControlPlaneAPI
import Workloads

/// Manifests as they were, and as they are to be. What is equal in both is in neither.
struct ManifestChange: Sendable {
    /// Those that are changed or taken away.
    private let old: [Manifest.Key: Manifest]
    /// Those that are changed or added.
    private let new: [Manifest.Key: Manifest]

    /// - Parameter manifests: none of them is there yet.
    init(adding manifests: [Manifest]) {
        old = [:]
        new = Self.byKey(manifests)
    }

    init(removing manifest: Manifest) {
        old = Self.byKey([manifest])
        new = [:]
    }

    init(applying manifests: [Manifest], to content: RegistryContent) {
        let stored = Self.byKey(content.manifests(manifests.map(\.key)))
        let new = Self.byKey(manifests).filter { stored[$0.key] != $0.value }
        self.new = new
        old = stored.filter { new[$0.key] != nil }
    }

    var isEmpty: Bool { old.isEmpty && new.isEmpty }
    var oldIdentities: [WorkloadIdentity] { old.values.compactMap(\.identity) }
    var newIdentities: [WorkloadIdentity] { new.values.compactMap(\.identity) }
    var oldResources: [ProtectedResource] { old.values.compactMap(\.resource) }
    var newResources: [ProtectedResource] { new.values.compactMap(\.resource) }

    /// What becomes of a manifest that is applied.
    func result(for key: Manifest.Key) -> ApplyResponse.Outcome.Result {
        guard new[key] != nil else { return .unchanged }
        return old[key] == nil ? .created : .changed
    }

    /// Of two with one key the later one counts.
    private static func byKey(_ manifests: [Manifest]) -> [Manifest.Key: Manifest] {
        Dictionary(manifests.map { ($0.key, $0) }, uniquingKeysWith: { _, later in later })
    }
}

extension Manifest {
    fileprivate var identity: WorkloadIdentity? {
        if case .workloadIdentity(let identity) = self { identity } else { nil }
    }

    fileprivate var resource: ProtectedResource? {
        if case .protectedResource(let resource) = self { resource } else { nil }
    }
}
