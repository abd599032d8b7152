import SPIFFE
import Workloads

/// The SPIFFE IDs that manifests give to processes.
struct GivenIDs: Sendable {
    /// Workload IDs, and the texts of templates, which are no path of an ID.
    private let texts: Set<String>
    private let templates: [WorkloadIDTemplate]
    private let trustDomain: TrustDomain

    init(by identities: [WorkloadIdentity], in trustDomain: TrustDomain) {
        self.trustDomain = trustDomain
        texts = Set(identities.map(\.workloadID))
        templates = identities.filter(\.isTemplated).compactMap(\.template)
    }

    /// By itself, or by a template.
    func contains(_ id: SPIFFEID) -> Bool { isWritten(id) || isExpanded(id) }

    /// Whether it is written out.
    func isWritten(_ id: SPIFFEID) -> Bool { id.trustDomain == trustDomain && texts.contains(id.workloadID) }

    /// Those that are written out.
    var written: [SPIFFEID] { texts.compactMap { try? SPIFFEID(trustDomain: trustDomain, path: "/" + $0) } }

    var hasTemplates: Bool { !templates.isEmpty }

    private func isExpanded(_ id: SPIFFEID) -> Bool {
        id.trustDomain == trustDomain && templates.contains { $0.covers(id.workloadID) }
    }
}

extension SPIFFEID {
    fileprivate var workloadID: String { String(path.dropFirst()) }
}
