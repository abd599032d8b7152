import AuthorizationServer
@testable import ControlPlane
import ControlPlaneAPI
import Foundation
import Limits
import SPIFFE
import Testing

/// What one caller of the authorization server may cost.
@Suite struct OAuthBudgetsTests {
    @Test(.timeLimit(.minutes(3)))
    func `a client that asks without end is told to wait, its refusals are counted together, and others are served`()
        async throws
    {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(Manifests.weather)
            let agent = try await plane.agent()
            let flooding = try await plane.workload("client", of: agent)
            let other = try await plane.workload("server", of: agent)
            let refused = try await Self.flood(plane, as: flooding)
            #expect(refused.count == 20)
            #expect(Set(refused.map(\.error)) == ["temporarily_unavailable"])
            #expect(Set(refused.map(\.retryAfter)) == [1])
            let isActive = try await plane.withClient(as: other) {
                try await $0.introspect(token: "x", clientID: other.id).active
            }
            #expect(!isActive)
            var counted: [Int64] = []
            repeat {
                try await Task.sleep(for: Limits.Refusals.window / 4)
                let records = try await plane.operators.audit(spiffeID: flooding.id)
                counted = records.filter { $0.type == "introspection.refused" }.compactMap { record in
                    if case .integer(let count)? = record.details["count"] { count } else { nil }
                }
            } while counted.reduce(0, +) < 20
            #expect(counted.reduce(0, +) == 20)
            #expect(counted.count < 20)
            plane.clock.advance(by: 2)
            try await plane.withClient(as: flooding) {
                _ = try await $0.introspect(token: "x", clientID: flooding.id)
            }
        }
    }

    /// More than it may ask: by itself at last, when the rest is spent. A clock that stands still earns a slow machine nothing back.
    private static func flood(_ plane: TestControlPlane, as flooding: X509SVID) async throws -> [Problem] {
        plane.clock.stop()
        for _ in 1..<Limits.OAuth.requestsAtOnce * Limits.OAuth.introspectionsForOne {
            let event = OAuthEvent(.introspectionRefused, reason: "")
            #expect(await plane.state.callers.admit(flooding.id, stands: true, telling: event) == nil)
        }
        return try await plane.withClient(as: flooding) { client in
            var refused: [Problem] = []
            for _ in 0..<21 {
                do {
                    _ = try await client.introspect(token: "x", clientID: flooding.id)
                } catch ControlPlaneError.problem(let problem) {
                    refused.append(problem)
                }
            }
            return refused
        }
    }

    @Test func `callers for whom there is no room share what one has, and room comes back`() async throws {
        let directory = TestControlPlane.temporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let store = try Store(directory: directory)
        let clock = TestClock()
        clock.stop()
        let budgets = OAuthBudgets(store: store, callers: 4) { clock.now }
        let ask = { (caller: Int, stands: Bool) async throws -> Int? in
            await budgets.admit(
                try TestControlPlane.id("c\(caller)"), stands: stands, telling: OAuthEvent(.tokenRefused, reason: ""))
        }
        for caller in 0..<4 { #expect(try await ask(caller, true) == nil) }
        for _ in 0..<Limits.OAuth.requestsAtOnce + 100 { _ = try await ask(100, true) }
        // Of the crowd one is like another; who has a place has what it had.
        for caller in [100, 101] { #expect(try await ask(caller, true) == 1) }
        #expect(try await ask(0, true) == nil)
        #expect(budgets.count <= 5)
        clock.advance(by: 600)
        #expect(try await ask(101, true) == nil)
        #expect(budgets.count <= 2)
        // A withdrawn proof's spending is not the ID's.
        for _ in 0..<Limits.OAuth.requestsAtOnce + 100 { _ = try await ask(7, false) }
        #expect(try await ask(7, false) == 1)
        #expect(try await ask(7, true) == nil)
        clock.advance(by: 600)
        // Nor is introspection the rest: so many times as much, of its own.
        for _ in 0..<Limits.OAuth.requestsAtOnce { _ = try await ask(8, true) }
        #expect(try await ask(8, true) == 1)
        let id = try TestControlPlane.id("c8")
        var introspected = 0
        while await budgets.admit(id, stands: true, telling: OAuthEvent(.introspectionRefused, reason: "")) == nil {
            introspected += 1
        }
        #expect(introspected == Limits.OAuth.requestsAtOnce * Limits.OAuth.introspectionsForOne)
        try store.close()
    }
}
