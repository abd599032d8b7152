@testable import ControlPlaneAPI
import Foundation
import Gateway
import SPIFFE
import Synchronization
import Testing

@testable import Agent

@Suite struct IntrospectionCacheTests {
    @Test func `who is told to wait asks no more until then, and what is not known is refused`() async throws {
        let (server, other) = (try SPIFFEID("spiffe://td/server"), try SPIFFEID("spiffe://td/other"))
        let asked = Mutex<[SPIFFEID]>([])
        let cache = IntrospectionCache { _, caller in
            asked.withLock { $0.append(caller) }
            guard caller == server else { return OAuthIntrospection(active: false) }
            throw ControlPlaneError.problem(
                Problem(error: "temporarily_unavailable", message: "wait", retryAfter: 60))
        }
        for token in ["a", "b", "c"] {
            await #expect(throws: ControlPlaneError.self) { try await cache.introspect(token, as: server) }
        }
        #expect(asked.withLock { $0 } == [server])
        #expect(try await cache.introspect("a", as: other) == .inactive)
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
        for number in 0..<150 { answers.keep(.init(status: .inactive, until: now + 60), key(number)) }
        #expect((0..<150).count { answers.status(key($0), at: now) != nil } == 100)
        #expect(answers.status(key(0), at: now) == .inactive && answers.status(key(149), at: now) == nil)
        #expect(answers.status(key(0), at: now + 61) == nil)

        var ended = IntrospectionCache.Answers(limit: 100)
        for number in 0..<100 { ended.keep(.init(status: .inactive, until: now - 1), key(number)) }
        ended.keep(.init(status: .inactive, until: now + 60), key(200))
        #expect(ended.status(key(200), at: now) == .inactive)
    }
}
