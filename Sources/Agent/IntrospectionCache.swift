import ControlPlaneAPI
import Crypto
import Foundation
package import Gateway
import Proxy
package import SPIFFE

/// What the control plane said of tokens that were presented on this host; kept until the token ends or a snapshot revokes it.
package actor IntrospectionCache: TokenIntrospector {
    private struct Key: Hashable {
        let tokenHash: [UInt8]
        let server: SPIFFEID
    }

    private struct Entry {
        let status: TokenStatus
        let until: Date
    }

    private let link: ControlPlaneLink
    private let svids: SVIDKeeper
    private var entries: [Key: Entry] = [:]
    private var revoked: Set<String> = []
    private var withdrawn: Set<SPIFFEID> = []
    /// "No" is asked again soon: it may have been said before a grant.
    private static let inactiveLifetime: TimeInterval = 2
    private static let limit = 20_000

    package init(link: ControlPlaneLink, svids: SVIDKeeper) {
        self.link = link
        self.svids = svids
    }

    package func introspect(_ token: String, as server: SPIFFEID) async throws -> TokenStatus {
        let key = Key(tokenHash: Array(SHA256.hash(data: Data(token.utf8))), server: server)
        if let entry = entries[key], entry.until > Date() { return entry.status }
        let client = try await link.client(as: svids.svid(for: server, process: nil))
        let status = revised(Self.status(try await client.introspect(token: token, clientID: server)))
        if entries.count >= Self.limit { entries = entries.filter { $0.value.until > Date() } }
        if entries.count < Self.limit { entries[key] = Entry(status: status, until: Self.expiry(of: status)) }
        return status
    }

    /// A snapshot came: its revocations hold from here on, also for answers on their way.
    package func revoke(tokens: [String], subjects: [SPIFFEID]) {
        revoked = Set(tokens)
        withdrawn = Set(subjects)
        entries = entries.mapValues { Entry(status: revised($0.status), until: $0.until) }
    }

    private func revised(_ status: TokenStatus) -> TokenStatus {
        guard case .active(let facts) = status, !revoked.contains(facts.id), !withdrawn.contains(facts.subject) else {
            return .inactive
        }
        return status
    }

    private static func expiry(of status: TokenStatus) -> Date {
        switch status {
        case .active(let facts): facts.expiresAt
        case .inactive: Date().addingTimeInterval(inactiveLifetime)
        }
    }

    /// RFC 7662, section 2.2. An answer that lacks what a decision needs is no permission.
    private static func status(_ answer: OAuthIntrospection) -> TokenStatus {
        guard answer.active, let id = answer.jti, let audience = answer.aud, let expiry = answer.exp,
            let subject = answer.sub.flatMap({ try? SPIFFEID($0) })
        else { return .inactive }
        return .active(
            TokenFacts(
                id: id, subject: subject, audience: audience,
                scopes: Set((answer.scope ?? "").split(separator: " ").map(String.init)),
                thumbprint: answer.cnf?.thumbprint, expiresAt: Date(timeIntervalSince1970: TimeInterval(expiry)),
            ),
        )
    }
}
