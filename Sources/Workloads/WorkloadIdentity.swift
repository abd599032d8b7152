package import SPIFFE

/// What an operator says of one workload: which processes it is, and how its traffic is treated.
///
/// Manifest kind `WorkloadIdentity`; see docs/manifests.md.
package struct WorkloadIdentity: Hashable, Sendable, Codable {
    /// `metadata.name`, unique within the kind.
    package var name: String
    /// `spec.scope.agentGroup.id` (or `daemonGroup`): only agents of this group get it.
    package var agentGroup: String
    /// `spec.workloadID`: the path of the SPIFFE ID, without the leading slash.
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

    package func spiffeID(in domain: TrustDomain) throws(SPIFFEIDError) -> SPIFFEID {
        try SPIFFEID(trustDomain: domain, path: "/" + workloadID)
    }
}

extension WorkloadIdentity {
    /// What an operator should know of an identity that is otherwise accepted.
    package var warnings: [String] {
        selectors.indices.filter { selectors[$0].userIDs == nil }.map {
            "spec.selectors[\($0)] rests on claimed facts alone: whoever can start a process in scope can have this identity; "
                + "add process:uid"
        }
    }
}
