import ControlPlaneAPI
import Crypto
import Foundation
package import Gateway
import Limits
import Proxy
package import SPIFFE

/// What the control plane said of tokens that were presented on this host; kept until the token ends or a snapshot revokes it.
package actor IntrospectionCache: TokenIntrospector {
    /// Bounded: what does not fit is asked again.
    struct Answers {
        let limit: Int
        private var entries: [Key: Entry] = [:]
        private var sweptAt = Date.distantPast

        init(limit: Int) { self.limit = limit }

        func status(_ key: Key, at now: Date) -> TokenStatus? {
            entries[key].flatMap { $0.until > now ? $0.status : nil }
        }

        mutating func keep(_ entry: Entry, _ key: Key) {
            let now = Date()
            // Looked through once a second at most, however many come.
            if entries.count >= limit, now.timeIntervalSince(sweptAt) > 1 {
                sweptAt = now
                entries = entries.filter { $0.value.until > now }
            }
            if entries.count < limit || entries[key] != nil { entries[key] = entry }
        }

        mutating func revise(_ change: (TokenStatus) -> TokenStatus) {
            entries = entries.mapValues { Entry(status: change($0.status), until: $0.until) }
        }
    }

    struct Key: Hashable {
        let tokenHash: [UInt8]
        let server: SPIFFEID
    }

    struct Entry {
        let status: TokenStatus
        let until: Date
    }

    private let ask: @Sendable (String, SPIFFEID) async throws -> OAuthIntrospection
    private var entries = Answers(limit: Limits.Tokens.active)
    /// Apart: whoever presents tokens that are none displaces no good one.
    private var refusals = Answers(limit: Limits.Tokens.inactive)
    private var waits = ToldWaits()
    private var revoked: Set<String> = []
    private var withdrawn: Set<SPIFFEID> = []
    /// "No" is asked again soon: it may have been said before a grant.
    private static let inactiveLifetime = Limits.Tokens.inactiveLifetime / .seconds(1)

    package init(link: ControlPlaneLink, svids: SVIDKeeper) {
        self.init { token, server in
            let client = try await link.client(as: svids.svid(for: server, process: nil))
            return try await client.introspect(token: token, clientID: server)
        }
    }

    /// - Parameter ask: the control plane, as the server of the token's resource.
    init(asking ask: @escaping @Sendable (String, SPIFFEID) async throws -> OAuthIntrospection) {
        self.ask = ask
    }

    package func introspect(_ token: String, as server: SPIFFEID) async throws -> TokenStatus {
        let key = Key(tokenHash: Array(SHA256.hash(data: Data(token.utf8))), server: server)
        let now = Date()
        if let status = entries.status(key, at: now) ?? refusals.status(key, at: now) { return status }
        try waits.check(server, at: .now)
        let answer: OAuthIntrospection
        do { answer = try await ask(token, server) } catch {
            waits.note(error, of: server, at: .now)
            throw error
        }
        let status = revised(Self.status(answer))
        let entry = Entry(status: status, until: Self.expiry(of: status))
        if case .active = status { entries.keep(entry, key) } else { refusals.keep(entry, key) }
        return status
    }

    /// A snapshot came: its revocations hold from here on, also for answers on their way.
    package func revoke(tokens: [String], subjects: [SPIFFEID]) {
        revoked = Set(tokens)
        withdrawn = Set(subjects)
        entries.revise(revised)
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
