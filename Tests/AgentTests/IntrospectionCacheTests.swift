@testable import ControlPlaneAPI
import Foundation
import Gateway
import Limits
import Proxy
import SPIFFE
import Synchronization
import Testing

@testable import Agent

@Suite struct IntrospectionCacheTests {
    @Test func `who is told to wait asks no more until then, and what is not known is refused`() async throws {
        let (server, other) = (try SPIFFEID("spiffe://td/server"), try SPIFFEID("spiffe://td/other"))
        let peer = try Self.bearer(1)
        let asked = Mutex<[SPIFFEID]>([])
        let cache = IntrospectionCache { _, caller in
            asked.withLock { $0.append(caller) }
            guard caller == server else { return OAuthIntrospection(active: false) }
            throw ControlPlaneError.problem(
                Problem(error: "temporarily_unavailable", message: "wait", retryAfter: 60))
        }
        for token in ["a", "b", "c"] {
            await #expect(throws: ControlPlaneError.self) { try await cache.introspect(token, of: peer, as: server) }
        }
        #expect(asked.withLock { $0 } == [server])
        #expect(try await cache.introspect("a", of: peer, as: other) == .inactive)
    }

    @Test func `a wait is over when its time is`() throws {
        let server = try SPIFFEID("spiffe://td/server")
        let now = ContinuousClock.now
        var waits = ToldWaits()
        let error = ControlPlaneError.problem(Problem(error: "x", message: "", retryAfter: 3))
        waits.note(error, of: server, at: now)
        #expect(throws: ControlPlaneError.self) { try waits.check(server, at: now + .milliseconds(2999)) }
        try waits.check(server, at: now + .seconds(3))
        // Nothing but a wait is one.
        waits.note(ControlPlaneError.unreachable(address: "", reason: ""), of: server, at: now + .seconds(4))
        try waits.check(server, at: now + .seconds(4))
    }

    @Test func `no more answers are kept than there is room for, and ended ones make room`() throws {
        let server = try SPIFFEID("spiffe://td/server")
        let key = { (number: Int) in
            IntrospectionCache.Key(tokenHash: [UInt8(number % 256), UInt8(number / 256)], server: server)
        }
        let now = Date()
        var answers = IntrospectionCache.Answers(limit: 100)
        for number in 0..<150 { _ = answers.keep(.init(status: .inactive, until: now + 60), key(number)) }
        #expect((0..<150).count { answers.status(key($0), at: now) != nil } == 100)
        #expect(answers.status(key(0), at: now) == .inactive && answers.status(key(149), at: now) == nil)
        #expect(answers.status(key(0), at: now + 61) == nil)

        var ended = IntrospectionCache.Answers(limit: 100)
        for number in 0..<100 { _ = ended.keep(.init(status: .inactive, until: now - 1), key(number)) }
        let hasRoom = ended.keep(.init(status: .inactive, until: now + 60), key(200))
        #expect(hasRoom)
        #expect(ended.status(key(200), at: now) == .inactive)
    }

    @Test func `made-up tokens are refused to who shows them, and nobody else is asked to wait`() async throws {
        let server = try SPIFFEID("spiffe://td/server")
        let asked = Mutex<[String]>([])
        let cache = IntrospectionCache { token, _ in
            asked.withLock { $0.append(token) }
            return token.hasPrefix("good") ? Self.good(token) : OAuthIntrospection(active: false)
        }
        let (liar, honest) = (try Self.bearer(1), try Self.bearer(2, address: 1))
        #expect(try await cache.introspect("good 0", of: liar, as: server).isActive)
        let most = Limits.OAuth.unknownTokensAtOnce + 1 + 60 * Limits.OAuth.unknownTokensPerSecond
        var refusal: Refusal?
        var shown = 0
        while refusal == nil, shown < most {
            do { _ = try await cache.introspect("made up \(shown)", of: liar, as: server) } catch {
                refusal = try #require(error as? Refusal)
            }
            shown += 1
        }
        #expect(refusal?.status == 429 && refusal?.cause == .tooManyTokens && refusal?.retryAfter == 1)
        #expect(shown > Limits.OAuth.unknownTokensAtOnce)
        // At the same address another one is asked about; and so is what was good, without being asked about.
        for number in 1...3 * Limits.OAuth.unknownTokensAtOnce {
            #expect(try await cache.introspect("good \(number)", of: honest, as: server).isActive)
        }
        let before = asked.withLock { $0.count }
        #expect(try await cache.introspect("good 0", of: liar, as: server).isActive)
        #expect(asked.withLock { $0.count } == before)
    }

    @Test func `who has IDs without end pays by its address`() throws {
        var trials = TokenTrials()
        let now = Date()
        let most = Limits.OAuth.unknownTokensAtOnce * Limits.OAuth.unknownTokensOfAddress
        for number in 0..<most { try trials.take(from: Self.bearer(number), at: now) }
        #expect(throws: Refusal.self) { try trials.take(from: Self.bearer(most), at: now) }
        #expect(throws: Refusal.self) {
            try trials.take(from: TokenBearer(peer: nil, address: [10, 0, 0, 1]), at: now)
        }
        try trials.take(from: Self.bearer(most, address: 2), at: now)
        try trials.take(from: Self.bearer(most), at: now + 1)
        // Who has everything again is forgotten.
        var few = TokenTrials(payers: 4)
        for number in 0..<10 { try few.take(from: Self.bearer(number, address: UInt8(number)), at: now) }
        #expect(few.count == 5)
        try few.take(from: Self.bearer(10, address: 10), at: now + 60)
        #expect(few.count == 2)
    }

    @Test func `what is good costs nothing, however many come at once, and one token is asked about once`() async throws
    {
        let server = try SPIFFEID("spiffe://td/server")
        let asked = Mutex(0)
        let coming = Coming()
        let gate = AsyncStream.makeStream(of: Void.self)
        let cache = IntrospectionCache { token, _ in
            asked.withLock { $0 += 1 }
            for await _ in gate.stream {}
            return Self.good(token)
        }
        let bearer = try Self.bearer(1)
        try await withThrowingTaskGroup(of: TokenStatus.self) { group in
            for _ in 0..<2 * Limits.OAuth.unknownTokensAtOnce {
                group.addTask {
                    coming.count.withLock { $0 += 1 }
                    return try await cache.introspect("good", of: bearer, as: server)
                }
            }
            while asked.withLock({ $0 }) == 0 || coming.count.withLock({ $0 }) < 2 * Limits.OAuth.unknownTokensAtOnce {
                await Task.yield()
            }
            gate.continuation.finish()
            for try await status in group { #expect(status.isActive) }
        }
        #expect(asked.withLock { $0 } == 1)
    }

    @Test func `where nobody answers nothing is spent`() async throws {
        let server = try SPIFFEID("spiffe://td/server")
        let isAway = Mutex(true)
        let cache = IntrospectionCache { token, _ in
            if isAway.withLock({ $0 }) { throw ControlPlaneError.unreachable(address: "", reason: "") }
            return Self.good(token)
        }
        for number in 0..<2 * Limits.OAuth.unknownTokensAtOnce {
            await #expect(throws: ControlPlaneError.self) {
                try await cache.introspect("good \(number)", of: Self.bearer(1), as: server)
            }
        }
        isAway.withLock { $0 = false }
        #expect(try await cache.introspect("good", of: Self.bearer(1), as: server).isActive)
    }

    @Test func `good tokens of one peer, or of one address, leave room for others'`() async throws {
        let server = try SPIFFEID("spiffe://td/server")
        let now = Date()
        var answers = IntrospectionCache.Answers(limit: 100)
        let keep = { (answers: inout IntrospectionCache.Answers, number: Int, bearer: TokenBearer) in
            answers.keep(
                .init(status: .inactive, until: now + 60, payers: bearer.payers),
                .init(tokenHash: [UInt8(number % 256), UInt8(number / 256)], server: server))
        }
        let sameID = try (0..<200).count { keep(&answers, $0, try Self.bearer(1, address: UInt8($0))) }
        #expect(sameID == 50)
        let sameAddress = try (200..<400).count { keep(&answers, $0, try Self.bearer($0, address: 255)) }
        #expect(sameAddress == 25)
        let other = keep(&answers, 400, try Self.bearer(1000, address: 254))
        // The same once more takes no more room.
        let again = keep(&answers, 400, try Self.bearer(1000, address: 254))
        #expect(other && again)

        // What is asked about each time is paid for.
        let cache = IntrospectionCache(remembering: 2) { token, _ in Self.good(token) }
        #expect(try await cache.introspect("good 0", of: Self.bearer(1), as: server).isActive)
        await #expect(throws: Refusal.self) {
            for _ in 0..<Limits.OAuth.unknownTokensAtOnce + 1 + 60 * Limits.OAuth.unknownTokensPerSecond {
                _ = try await cache.introspect("good 1", of: Self.bearer(1), as: server)
            }
        }
    }

    private static func bearer(_ number: Int, address: UInt8 = 1) throws -> TokenBearer {
        TokenBearer(peer: try SPIFFEID("spiffe://td/peer/\(number)"), address: [10, 0, 0, address])
    }

    private static func good(_ token: String) -> OAuthIntrospection {
        OAuthIntrospection(
            active: true, sub: "spiffe://td/client", aud: "https://server", jti: token,
            exp: Int64(Date().timeIntervalSince1970) + 300)
    }
}

/// How many have begun to ask.
private final class Coming: Sendable {
    let count = Mutex(0)
}

extension TokenStatus {
    fileprivate var isActive: Bool {
        if case .active = self { true } else { false }
    }
}
