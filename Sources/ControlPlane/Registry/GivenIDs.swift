import SPIFFE
import Workloads

/// The SPIFFE IDs that manifests give to processes.
struct GivenIDs: Sendable {
    private let paths: Set<SPIFFEPath>
    private let templates: [WorkloadIDTemplate]
    private let trustDomain: TrustDomain

    init(by identities: [WorkloadIdentity], in trustDomain: TrustDomain) {
        self.trustDomain = trustDomain
        paths = Set(identities.compactMap { if case .fixed(let path) = $0.workloadID { path } else { nil } })
        templates = identities.compactMap(\.workloadID.template)
    }

    /// By itself, or by a template.
    func contains(_ id: SPIFFEID) -> Bool { isWritten(id) || isExpanded(id) }

    /// Whether it is written out.
    func isWritten(_ id: SPIFFEID) -> Bool { id.trustDomain == trustDomain && paths.contains(id.path) }

    /// Those that are written out.
    var written: [SPIFFEID] { paths.compactMap { try? SPIFFEID(trustDomain: trustDomain, path: $0) } }

    var hasTemplates: Bool { !templates.isEmpty }

    private func isExpanded(_ id: SPIFFEID) -> Bool {
        id.trustDomain == trustDomain && templates.contains { $0.covers(id.path) }
    }
}
