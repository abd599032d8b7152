import SPIFFE
import Workloads

/// The SPIFFE IDs that manifests give to processes.
struct GivenIDs: Sendable {
    /// Those that are written out.
    let written: Set<SPIFFEID>
    private let templates: [WorkloadIDTemplate]
    private let trustDomain: TrustDomain

    init(by identities: [WorkloadIdentity], in trustDomain: TrustDomain) {
        self.trustDomain = trustDomain
        written = Set(identities.compactMap { try? $0.spiffeID(in: trustDomain) })
        templates = identities.compactMap(\.template).filter(\.isTemplate)
    }

    /// By itself, or by a template.
    func contains(_ id: SPIFFEID) -> Bool { written.contains(id) || isExpanded(id) }

    private func isExpanded(_ id: SPIFFEID) -> Bool {
        id.trustDomain == trustDomain && templates.contains { $0.covers(String(id.path.dropFirst())) }
    }
}
