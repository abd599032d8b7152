@testable import Agent
@testable import ControlPlaneAPI
import Foundation
import Gateway
import Proxy
import SPIFFE
import Synchronization
import Testing

/// What the introspection cache makes of tokens that are good.
@Suite("Introspection of active tokens") struct ActiveTokenTests {
    private let server: SPIFFEID
    private let caller: SPIFFEID

    init() throws {
        server = try SPIFFEID("spiffe://td/server")
        caller = try SPIFFEID("spiffe://td/c")
    }

    @Test func `one that is active is asked about once, by each server for itself`() async throws {
        let other = try SPIFFEID("spiffe://td/other")
        let asked = Mutex<[SPIFFEID]>([])
        let cache = IntrospectionCache { token, server in
            asked.withLock { $0.append(server) }
            return server == other ? OAuthIntrospection(active: false) : Self.active(token)
        }
        for _ in 0..<2 { #expect(try await Self.isActive("a", to: cache, as: server)) }
        #expect(asked.withLock { $0 } == [server])
        #expect(try await !Self.isActive("a", to: cache, as: other))
        #expect(asked.withLock { $0 } == [server, other])
    }

    @Test func `a snapshot's revocation ends what is kept, and nothing else`() async throws {
        let cache = IntrospectionCache { token, _ in Self.active(token) }
        for token in ["a", "b"] { #expect(try await Self.isActive(token, to: cache, as: server)) }
        await cache.revoke(tokens: ["a"], subjects: [])
        #expect(try await !Self.isActive("a", to: cache, as: server))
        #expect(try await Self.isActive("b", to: cache, as: server))
        await cache.revoke(tokens: [], subjects: [try SPIFFEID("spiffe://td/other")])
        #expect(try await Self.isActive("b", to: cache, as: server))
        await cache.revoke(tokens: [], subjects: [caller])
        #expect(try await !Self.isActive("b", to: cache, as: server))
    }

    @Test func `a snapshot's revocation holds for an answer that is on its way, too`() async throws {
        for (tokens, subjects) in [(["a"], []), ([], [caller])] as [([String], [SPIFFEID])] {
            let late = Mutex<IntrospectionCache?>(nil)
            let cache = IntrospectionCache { token, _ in
                if token == "a" { await late.withLock { $0 }?.revoke(tokens: tokens, subjects: subjects) }
                return Self.active(token)
            }
            late.withLock { $0 = cache }
            #expect(try await Self.isActive("b", to: cache, as: server))
            #expect(try await !Self.isActive("a", to: cache, as: server))
            #expect(try await Self.isActive("b", to: cache, as: server) == subjects.isEmpty)
        }
    }

    @Test func `an answer that lacks what a decision needs is no permission`() async throws {
        let lacking: [(inout OAuthIntrospection) -> Void] = [
            { $0.active = false }, { $0.exp = nil }, { $0.jti = nil }, { $0.aud = nil }, { $0.sub = nil },
            { $0.sub = "weather-agent" },
        ]
        for lack in lacking {
            var answer = Self.active("a")
            lack(&answer)
            let given = answer
            let cache = IntrospectionCache { _, _ in given }
            #expect(try await !Self.isActive("a", to: cache, as: server), "\(given)")
        }
    }

    private static func isActive(
        _ token: String, to cache: IntrospectionCache, as server: SPIFFEID
    ) async throws -> Bool {
        let bearer = TokenBearer(peer: try SPIFFEID("spiffe://td/c"), address: [10, 0, 0, 1])
        guard case .active(let facts) = try await cache.introspect(token, of: bearer, as: server) else { return false }
        return facts.id == token
    }

    private static func active(_ token: String) -> OAuthIntrospection {
        OAuthIntrospection(
            active: true, sub: "spiffe://td/c", aud: "r", jti: token,
            exp: Int64(Date().timeIntervalSince1970) + 600)
    }
}
