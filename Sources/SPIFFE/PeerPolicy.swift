/// Which SPIFFE IDs may speak, and why.
///
/// One entry is an exact ID, or ends with `/*` and then stands for every ID below that path.
package struct PeerPolicy: Sendable, Equatable {
    package let trustDomain: TrustDomain
    /// nil: every workload of the same trust domain.
    package let allowed: [SPIFFEIDPattern]?
    package let withdrawn: Withdrawals

    package init(trustDomain: TrustDomain, allowed: [SPIFFEIDPattern]? = nil, withdrawn: Withdrawals = []) {
        self.trustDomain = trustDomain
        self.allowed = allowed
        self.withdrawn = withdrawn
    }

    /// - Parameter issuedAt: of the SVID that proves the peer.
    package func decision(for peer: SPIFFEID, issuedAt: IssueTime) -> PeerDecision {
        if let objection = withdrawn.objection(to: peer, issuedAt: issuedAt) {
            return .refused(.withdrawn(because: objection))
        }
        guard let allowed else {
            guard peer.trustDomain == trustDomain else { return .refused(.otherTrustDomain(peer, than: trustDomain)) }
            // Agents and the control plane hold SVIDs too, and are nobody's callers.
            return peer.isReserved
                ? .refused(.noWorkload(peer)) : .allowed(because: "same trust domain \(trustDomain)")
        }
        guard let rule = allowed.first(where: { $0.matches(peer) }) else { return .refused(.unlisted(peer)) }
        return .allowed(because: "allowedSPIFFEIDs has \(rule)")
    }
}

/// An exact SPIFFE ID, or one ending in `/*`: everything below that path, but not the path itself.
///
/// draft-ietf-oauth-spiffe-client-auth-02, section 5.1.
package struct SPIFFEIDPattern: Hashable, Sendable, Codable, CustomStringConvertible {
    private let text: String

    package init(_ text: String) throws(SPIFFEIDError) {
        let exact = text.hasSuffix("/*") ? String(text.dropLast(1)) + "x" : text
        _ = try SPIFFEID(exact)
        self.text = text
    }

    package func matches(_ id: SPIFFEID) -> Bool {
        guard text.hasSuffix("*") else { return id.description == text }
        return id.description.hasPrefix(text.dropLast()) && id.description.utf8.count >= text.utf8.count
    }

    package var description: String { text }

    package init(from decoder: any Decoder) throws {
        try self.init(decoder.singleValueContainer().decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}
