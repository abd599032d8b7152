/// Whether the two ends of a connection may speak, and why: one decision for the data path, the audit and `explain`.
package enum PeerDecision: Sendable, Equatable {
    case allowed(because: String)
    case refused(Cause)

    /// What the refusal rests on; its text says what to do.
    package enum Cause: Sendable, Equatable, CustomStringConvertible {
        /// The local workload's own identity was deleted.
        case ownIdentityGone(SPIFFEID)
        case withdrawn(because: String)
        case unexpected(SPIFFEID, instead: SPIFFEID)
        case otherTrustDomain(SPIFFEID, than: TrustDomain)
        /// An agent's, or the control plane's.
        case noWorkload(SPIFFEID)
        case unlisted(SPIFFEID)
        case plainText(because: String)

        package var description: String {
            switch self {
            case .ownIdentityGone(let id): "\(id) was deleted; apply its manifest again to let it back in"
            case .withdrawn(let reason), .plainText(let reason): reason
            case .unexpected(let peer, let expected): "\(peer) answers where \(expected) is expected"
            case .otherTrustDomain(let peer, let domain):
                "\(peer) is not of trust domain \(domain), and allowedSPIFFEIDs is absent"
            case .noWorkload(let peer): "\(peer) is no workload, and allowedSPIFFEIDs is absent"
            case .unlisted(let peer): "\(peer) is not in allowedSPIFFEIDs"
            }
        }
    }

    /// Either way.
    package var reason: String {
        switch self {
        case .allowed(let reason): reason
        case .refused(let cause): cause.description
        }
    }

    /// nil where it is allowed.
    package var refusal: Cause? {
        if case .refused(let cause) = self { cause } else { nil }
    }
}

/// What may be at the far end of one connection, whichever side opened it.
package struct PeerRule: Sendable, Equatable {
    /// How a connection without an SVID at the far end is taken.
    package enum PlainText: Sendable, Equatable {
        case allowed(because: String)
        case refused(because: String)
    }

    /// Who or what is at the far end, as far as is known.
    package enum FarEnd: Sendable, Equatable {
        /// Not established: nothing is said of it yet.
        case unproved
        case plainText
        /// - issuedAt: of the SVID that proves it.
        case peer(SPIFFEID, issuedAt: IssueTime)
    }

    /// The local workload.
    package let workload: SPIFFEID
    /// Who has to be there; nil: anybody whom `peers` allows.
    package let expected: SPIFFEID?
    package let peers: PeerPolicy
    package let plainText: PlainText

    package init(workload: SPIFFEID, expected: SPIFFEID? = nil, peers: PeerPolicy, plainText: PlainText) {
        self.workload = workload
        self.expected = expected
        self.peers = peers
        self.plainText = plainText
    }

    package func decision(on end: FarEnd) -> PeerDecision {
        if peers.withdrawn.gone.contains(workload) { return .refused(.ownIdentityGone(workload)) }
        switch (end, plainText) {
        case (.unproved, _): return .allowed(because: "\(workload) is in force")
        case (.plainText, .allowed(let reason)): return .allowed(because: reason)
        case (.plainText, .refused(let reason)): return .refused(.plainText(because: reason))
        case (.peer(let peer, let issuedAt), _):
            if let expected, expected != peer { return .refused(.unexpected(peer, instead: expected)) }
            return peers.decision(for: peer, issuedAt: issuedAt)
        }
    }
}
