import Foundation
import Gateway
import SPIFFE
import Testing

@testable import Agent

@Suite struct IntrospectionCacheTests {
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
