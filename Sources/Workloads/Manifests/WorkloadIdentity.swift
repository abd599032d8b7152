package import SPIFFE

/// What an operator says of one workload: which processes it is, and how its traffic is treated.
///
/// Manifest kind `WorkloadIdentity`; see docs/manifests.md.
package struct WorkloadIdentity: Hashable, Sendable, Codable {
    /// `metadata.name`, unique within the kind.
    package var name: String
    /// `spec.scope.agentGroup.id` (or `daemonGroup`): only agents of this group get it.
    package var agentGroup: String
    /// `spec.workloadID`.
    package var workloadID: WorkloadName
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
    /// `spec.connection.outbound` and `egress`. nil: OPEN, where nobody managed is known to listen it dials by itself.
    package var outbound: Outbound?
    /// `spec.connection.keepAcrossExec`: what it opened stays open when its process executes another program.
    package var keepAcrossExec: Bool

    /// `spec.connection.tls.mode`.
    package enum TLSMode: String, Sendable, Codable {
        /// Plain text is refused.
        case mutual = "MUTUAL"
        /// Plain text is let by, and audited.
        case permissive = "PERMISSIVE"
    }

    package init(
        name: String,
        agentGroup: String,
        workloadID: WorkloadName,
        selectors: [Selector],
        priority: Int = 0,
        allowedInbound: [SPIFFEIDPattern]? = nil,
        allowedOutbound: [SPIFFEIDPattern]? = nil,
        tlsMode: TLSMode = .mutual,
        outbound: Outbound? = nil,
        keepAcrossExec: Bool = false,
    ) {
        self.name = name
        self.agentGroup = agentGroup
        self.workloadID = workloadID
        self.selectors = selectors
        self.priority = priority
        self.allowedInbound = allowedInbound
        self.allowedOutbound = allowedOutbound
        self.tlsMode = tlsMode
        self.outbound = outbound
        self.keepAcrossExec = keepAcrossExec
    }

    /// What was written before there was a key has its default.
    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            name: try values.decode(String.self, forKey: .name),
            agentGroup: try values.decode(String.self, forKey: .agentGroup),
            workloadID: try values.decode(WorkloadName.self, forKey: .workloadID),
            selectors: try values.decode([Selector].self, forKey: .selectors),
            priority: try values.decode(Int.self, forKey: .priority),
            allowedInbound: try values.decodeIfPresent([SPIFFEIDPattern].self, forKey: .allowedInbound),
            allowedOutbound: try values.decodeIfPresent([SPIFFEIDPattern].self, forKey: .allowedOutbound),
            tlsMode: try values.decode(TLSMode.self, forKey: .tlsMode),
            outbound: try values.decodeIfPresent(Outbound.self, forKey: .outbound),
            keepAcrossExec: try values.decodeIfPresent(Bool.self, forKey: .keepAcrossExec) ?? false,
        )
    }

    /// nil for a template, which names nobody before it is filled.
    package func spiffeID(in domain: TrustDomain) -> SPIFFEID? {
        guard case .fixed(let path) = workloadID else { return nil }
        return try? SPIFFEID(trustDomain: domain, path: path)
    }
}

extension WorkloadIdentity {
    /// What `apply` says of one that may send anything anywhere.
    package func remark(in managedNetworks: ManagedNetworks?) -> String? {
        guard outbound == nil, managedNetworks?.ranges.isEmpty ?? true else { return nil }
        return
            "spec.connection.outbound is OPEN and there are no managedNetworks: what it sends leaves in plain text wherever "
            + "no managed workload is known to listen; set it to MUTUAL, with an egress list"
    }
}
