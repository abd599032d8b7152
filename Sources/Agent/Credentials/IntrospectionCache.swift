import ControlPlaneAPI
import Crypto
import Foundation
package import Gateway
import Limits
package import Proxy
package import SPIFFE

/// What the control plane said of tokens that were presented on this host; kept until the token ends or a snapshot revokes it.
package actor IntrospectionCache: TokenIntrospector {
    /// Bounded: what does not fit is asked again. Of those who are to pay for it nobody has more than is left for others.
    struct Answers {
        let limit: Int
        private var entries: [Key: Entry] = [:]
        private var held: [TokenTrials.Payer: Int] = [:]
        private var sweptAt = Date.distantPast

        init(limit: Int) { self.limit = limit }

        func status(_ key: Key, at now: Date) -> TokenStatus? {
            entries[key].flatMap { $0.until > now ? $0.status : nil }
        }

        /// - Returns: whether there was room.
        mutating func keep(_ entry: Entry, _ key: Key) -> Bool {
            let now = Date()
            if let former = entries.removeValue(forKey: key) { count(former, -1) }
            // Looked through once a second at most, however many come.
            if !hasRoom(for: entry), now.timeIntervalSince(sweptAt) > 1 {
                sweptAt = now
                for (key, entry) in entries where entry.until <= now {
                    entries[key] = nil
                    count(entry, -1)
                }
            }
            guard hasRoom(for: entry) else { return false }
            entries[key] = entry
            count(entry, 1)
            return true
        }

        private func hasRoom(for entry: Entry) -> Bool {
            let free = limit - entries.count
            return free > 0 && entry.payers.allSatisfy { held[$0, default: 0] < free }
        }

        private mutating func count(_ entry: Entry, _ change: Int) {
            for payer in entry.payers {
                let now = held[payer, default: 0] + change
                held[payer] = now > 0 ? now : nil
            }
        }

        mutating func revise(_ change: (TokenStatus) -> TokenStatus) {
            entries = entries.mapValues { entry in
                var entry = entry
                entry.status = change(entry.status)
                return entry
            }
        }
    }

    struct Key: Hashable {
        let tokenHash: [UInt8]
        let server: SPIFFEID
    }

    struct Entry {
        var status: TokenStatus
        let until: Date
        var payers: [TokenTrials.Payer] = []
    }

    private let ask: @Sendable (String, SPIFFEID) async throws -> OAuthIntrospection
    private var entries: Answers
    /// Apart: whoever presents tokens that are none displaces no good one.
    private var refusals = Answers(limit: Limits.Tokens.inactive)
    private var waits = ToldWaits()
    private var trials = TokenTrials()
    /// One for each token at a time, however many connections bring it at once.
    private var running: [Key: Task<TokenStatus, any Error>] = [:]
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
    init(
        remembering active: Int = Limits.Tokens.active,
        asking ask: @escaping @Sendable (String, SPIFFEID) async throws -> OAuthIntrospection,
    ) {
        entries = Answers(limit: active)
        self.ask = ask
    }

    package func introspect(_ token: String, of bearer: TokenBearer, as server: SPIFFEID) async throws -> TokenStatus {
        let key = Key(tokenHash: Array(SHA256.hash(data: Data(token.utf8))), server: server)
        let now = Date()
        if let status = entries.status(key, at: now) ?? refusals.status(key, at: now) { return status }
        if let task = running[key] { return try await FirstAnswer.of(task) }
        try waits.check(server, at: .now)
        try trials.take(from: bearer, at: now)
        let task = Task { try await self.fetch(token, key, bearer) }
        running[key] = task
        return try await FirstAnswer.of(task)
    }

    private func fetch(_ token: String, _ key: Key, _ bearer: TokenBearer) async throws -> TokenStatus {
        defer { running[key] = nil }
        let answer: OAuthIntrospection
        do { answer = try await ask(token, key.server) } catch {
            waits.note(error, of: key.server, at: .now)
            trials.giveBack(to: bearer, at: Date())
            throw error
        }
        let status = revised(Self.status(answer))
        let entry = Entry(status: status, until: Self.expiry(of: status), payers: bearer.payers)
        guard case .active = status else {
            _ = refusals.keep(entry, key)
            return status
        }
        // What is asked about again, as it found no room, is as costly as one that is not good.
        if entries.keep(entry, key) { trials.giveBack(to: bearer, at: Date()) }
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
