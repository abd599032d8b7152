package import SPIFFE

/// What an operator says of one workload: which processes it is, and how its traffic is treated.
///
/// Manifest kind `WorkloadIdentity`; see docs/manifests.md.
package struct WorkloadIdentity: Hashable, Sendable, Codable {
    /// `metadata.name`, unique within the kind.
    package var name: String
    /// `spec.scope.agentGroup.id` (or `daemonGroup`): only agents of this group get it.
    package var agentGroup: String
    /// `spec.workloadID`: the path of the SPIFFE ID, without the leading slash; or the text of a ``WorkloadIDTemplate``.
    package var workloadID: String
    /// `spec.selectors`: any one of them has to match.
    package var selectors: [Selector]
    /// `spec.priority`: breaks a tie between equally specific selectors; higher wins.
    package var priority: Int
    /// `spec.allowedSPIFFEIDs.inbound`: who may call it. nil: the same trust domain.
    package var allowedInbound: [SPIFFEIDPattern]?
    /// `spec.allowedSPIFFEIDs.outbound`: whom it may call. nil: the same trust domain.
    package var allowedOutbound: [SPIFFEIDPattern]?
    /// `spec.connection.tls.mode`.
    package var tlsMode: TLSMode

    package enum TLSMode: String, Sendable, Codable {
        /// Plain text is refused.
        case mutual = "MUTUAL"
        /// Plain text is let by, and audited.
        case permissive = "PERMISSIVE"
    }

    package init(
        name: String,
        agentGroup: String,
        workloadID: String,
        selectors: [Selector],
        priority: Int = 0,
        allowedInbound: [SPIFFEIDPattern]? = nil,
        allowedOutbound: [SPIFFEIDPattern]? = nil,
        tlsMode: TLSMode = .mutual,
    ) {
        self.name = name
        self.agentGroup = agentGroup
        self.workloadID = workloadID
        self.selectors = selectors
        self.priority = priority
        self.allowedInbound = allowedInbound
        self.allowedOutbound = allowedOutbound
        self.tlsMode = tlsMode
    }

    package static let maximumIDBytes = 1024

    /// nil where `workloadID` is no template, which no manifest gives.
    package var template: WorkloadIDTemplate? { try? WorkloadIDTemplate(workloadID) }

    /// Whether `workloadID` has places that a process fills. Far cheaper to ask than ``template``.
    package var isTemplated: Bool { WorkloadIDTemplate.hasPlaces(workloadID) }

    /// - Throws: also for a template, which names nobody before it is expanded.
    package func spiffeID(in domain: TrustDomain) throws(SPIFFEIDError) -> SPIFFEID {
        try SPIFFEID(trustDomain: domain, path: "/" + workloadID)
    }

    /// Of a template one of its IDs, for what is checked of them all.
    package func exampleID(in domain: TrustDomain) throws(SPIFFEIDError) -> SPIFFEID {
        try SPIFFEID(trustDomain: domain, path: "/" + (template?.example ?? workloadID))
    }

    /// Whether it gives this ID to some process.
    package func covers(_ id: SPIFFEID, in domain: TrustDomain) -> Bool {
        id.trustDomain == domain && template?.covers(String(id.path.dropFirst())) == true
    }
}

extension WorkloadIdentity {
    /// What an operator should know of an identity that is otherwise accepted.
    package var warnings: [String] {
        let whose = template.map {
            $0.isTemplate ? "an identity of \(workloadID), with its own values in it" : "this identity"
        }
        return selectors.indices.filter { !selectors[$0].asksForAttested }.map { index in
            let basis =
                selectors[index].hasAttested ? "only excludes by attested facts" : "rests on claimed facts alone"
            return "spec.selectors[\(index)] \(basis): whoever can start a process in scope can have "
                + "\(whose ?? "this identity"); add process:uid"
        }
    }
}

extension Selector {
    fileprivate var hasAttested: Bool { conditions.keys.contains { $0.grade == .attested } }

    fileprivate var asksForAttested: Bool {
        conditions.contains { $0.key.grade == .attested && !$0.value.anyOf.isEmpty }
    }
}
