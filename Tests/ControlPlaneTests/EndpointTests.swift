@testable import ControlPlane
import ControlPlaneAPI
import Foundation
import GRDB
import Limits
import SPIFFE
import Testing

@Suite struct EndpointTests {
    @Test func `no agent takes the place of all others`() {
        let all = Limits.Endpoints.inAll
        #expect(EndpointIntake.refusal(ofWorkload: 0, ofAgent: 0, total: 0) == nil)
        #expect(
            EndpointIntake.refusal(ofWorkload: Limits.Endpoints.ofWorkload, ofAgent: 0, total: 0)?.kind == "number")
        var held: [Int] = []
        for _ in 0..<20 {
            let total = held.reduce(0, +)
            let most = (0...Limits.Endpoints.ofAgent).first {
                EndpointIntake.refusal(ofWorkload: 0, ofAgent: $0, total: total + $0) != nil
            }
            held.append(most ?? 0)
        }
        // The first ones have what one agent may have, and after twenty that took all they could there is still room for others' first.
        #expect(held.first == Limits.Endpoints.ofAgent)
        #expect(
            held.reduce(0, +) < all
                && EndpointIntake.refusal(ofWorkload: 0, ofAgent: 0, total: held.reduce(0, +)) == nil)
    }

    @Test func `endpoints are no policy, and reach a stream as changes of their own`() async throws {
        try await Self.serve { plane, agent in
            let before = try await plane.operators.status().version
            try await plane.withClient(as: agent) { client in
                var snapshots = client.snapshots().makeAsyncIterator()
                #expect(try await snapshots.next()?.endpoints == [])
                let both = [try Self.endpoint("10.0.0.2"), try Self.endpoint("10.0.0.3")]
                try await client.report(endpoints: EndpointReport(endpoints: both))
                #expect(try await snapshots.next()?.endpoints == both)
                try await client.report(endpoints: EndpointReport(endpoints: [both[1]]))
                let last = try #require(try await snapshots.next())
                #expect(last.endpoints == [both[1]])
                #expect(last.version == before)
                #expect(try await plane.operators.status().version == before)
                #expect(try await client.snapshots().first { _ in true } == last)
            }
        }
    }

    @Test func `a listener that flaps makes no version and few updates`() async throws {
        try await Self.serve { plane, agent in
            let before = try await plane.operators.status().version
            let telling = UUID().uuidString
            let endpoint = try Self.endpoint("10.0.0.2")
            try await plane.withClient(as: agent) { client in
                var snapshots = client.snapshots().makeAsyncIterator()
                _ = try await snapshots.next()
                let start = ContinuousClock.now
                for turn in 0..<60 {
                    let isThere = turn % 2 == 0
                    try await client.report(
                        endpoints: EndpointReport(
                            telling: telling, added: isThere ? [endpoint] : [], removed: isThere ? [] : [endpoint],
                            isWhole: turn == 0))
                }
                let elapsed = ContinuousClock.now - start
                let other = try Self.endpoint("10.0.0.9")
                try await client.report(endpoints: EndpointReport(telling: telling, added: [other], isWhole: false))
                var updates = 0
                while let snapshot = try await snapshots.next(), snapshot.endpoints != [other] { updates += 1 }
                // The first one, and one for each interval that began meanwhile.
                #expect(updates <= 2 + Int(elapsed / Limits.Updates.ofFleet))
            }
            #expect(try await plane.operators.status().version == before)
        }
    }

    @Test func `one bad endpoint hinders no other, and is told once`() async throws {
        try await Self.serve { plane, agent in
            let good = try Self.endpoint("10.0.0.2")
            let bad = [
                try Self.endpoint("127.0.0.1"), try Self.endpoint("no address"),
                Endpoint(address: "10.0.0.3", port: 80, workload: try TestControlPlane.id("theirs")),
            ]
            for _ in 0..<3 {
                let receipt = try await plane.withClient(as: agent) {
                    try await $0.report(endpoints: EndpointReport(endpoints: bad + [good]))
                }
                #expect(receipt.refused.map(\.endpoint) == bad)
            }
            let status = try #require(try await plane.operators.status().agents.first)
            #expect(status.endpoints == [good])
            #expect(status.refusedEndpoints.map(\.endpoint) == bad)
            let told = try await plane.operators.audit().filter { $0.type == "endpoint.refused" }
            #expect(told.count == 3)
        }
    }

    @Test func `of two claims the earlier one stands, is told, and is followed when it ends`() async throws {
        try await Self.serve { plane, first in
            let second = try await plane.agent(name: "second")
            let mine = try Self.endpoint("10.0.0.2")
            let other = try Self.endpoint("10.0.0.2", of: "other")
            try await plane.report([mine], as: first)
            let receipt = try await plane.report([other], as: second)
            #expect(receipt.refused.map(\.endpoint) == [other])
            #expect(receipt.refused.first?.reason.contains(first.id.description) == true)
            #expect(try await plane.standing(as: first) == [mine])
            let conflict = try #require(try await plane.operators.audit().first { $0.type == "endpoint.conflict" })
            #expect(conflict.details["holderAgent"] == .string(first.id.description))
            let status = try await plane.operators.status().agents
            #expect(status.map(\.refusedEndpoints.count).sorted() == [0, 1])

            // A later telling of the first one changes nothing: the claim is as old as it was.
            try await plane.report([mine], as: first)
            #expect(try await plane.standing(as: first) == [mine])
            try await plane.report([], as: first)
            #expect(try await plane.standing(as: first) == [other])
        }
    }

    @Test func `an agent that is away keeps its endpoints from nobody for good`() async throws {
        try await Self.serve { plane, first in
            let second = try await plane.agent(name: "second")
            try await plane.report([try Self.endpoint("10.0.0.2")], as: first)
            let other = try Self.endpoint("10.0.0.2", of: "other")
            try await plane.report([other], as: second)
            let passed = try await plane.state.store.write { database in
                #expect(try EndpointClaims.waitedFor(in: database) == [first.id.description])
                return try EndpointClaims.pass(from: first.id.description, in: database)
            }
            #expect(passed == [try Self.endpoint("10.0.0.2")])
            #expect(try await plane.standing(as: second) == [other])
        }
    }

    @Test func `the excess of one workload is dropped, and nothing of another`() async throws {
        try await Self.serve { plane, agent in
            let many = try (0..<5000).map { try Self.endpoint("10.1.\($0 / 250).\($0 % 250)") }
            let other = try Self.endpoint("10.0.0.2", of: "other")
            let telling = UUID().uuidString
            var refused = 0
            try await plane.withClient(as: agent) { client in
                for start in stride(from: 0, to: many.count, by: Limits.Endpoints.inPiece) {
                    let piece = Array(many[start..<start + Limits.Endpoints.inPiece])
                    refused += try await client.report(
                        endpoints: EndpointReport(telling: telling, added: piece, isWhole: false)
                    ).refused.count
                }
                refused += try await client.report(
                    endpoints: EndpointReport(telling: telling, added: [other], isWhole: true)
                ).refused.count
            }
            #expect(refused == many.count - Limits.Endpoints.ofWorkload)
            let standing = try await plane.standing(as: agent)
            #expect(standing.count == Limits.Endpoints.ofWorkload + 1)
            #expect(standing.contains(other))
        }
    }

    @Test func `while an agent tells everything anew nothing is gone for a moment`() async throws {
        try await Self.serve { plane, agent in
            let old = try ["10.0.0.2", "10.0.0.3"].map { try Self.endpoint($0) }
            try await plane.report(old, as: agent)
            try await plane.withClient(as: agent) { client in
                let new = try Self.endpoint("10.0.0.4")
                try await client.report(endpoints: EndpointReport(telling: "t", added: [new], isWhole: false))
                #expect(Set(try await plane.standing(as: agent)) == Set(old + [new]))
                try await client.report(endpoints: EndpointReport(telling: "t", added: [old[0]], isWhole: true))
                #expect(Set(try await plane.standing(as: agent)) == [old[0], new])
            }
        }
    }

    @Test func `an agent that is removed leaves no endpoint behind`() async throws {
        try await Self.serve { plane, agent in
            let second = try await plane.agent(name: "second")
            try await plane.report([try Self.endpoint("10.0.0.2")], as: agent)
            try await plane.withClient(as: second) { client in
                var snapshots = client.snapshots().makeAsyncIterator()
                #expect(try await snapshots.next()?.endpoints.count == 1)
                try await plane.state.store.database.write {
                    try $0.execute(sql: "DELETE FROM agents WHERE spiffe_id = ?", arguments: [agent.id.description])
                }
                await plane.state.hub.wakeAll()
                #expect(try await snapshots.next()?.endpoints == [])
            }
        }
    }

    private static func endpoint(_ address: String, of workload: String = "mine") throws -> Endpoint {
        Endpoint(address: address, port: 8000, workload: try TestControlPlane.id(workload))
    }

    private static func serve(
        _ body: @Sendable @escaping (TestControlPlane, X509SVID) async throws -> Void
    ) async throws {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(Manifests.identity("mine") + "---\n" + Manifests.identity("other", uid: 1002))
            try await body(plane, try await plane.agent())
        }
    }
}

extension TestControlPlane {
    @discardableResult
    fileprivate func report(_ endpoints: [Endpoint], as agent: X509SVID) async throws -> EndpointReceipt {
        try await withClient(as: agent) { try await $0.report(endpoints: EndpointReport(endpoints: endpoints)) }
    }

    fileprivate func standing(as agent: X509SVID) async throws -> [Endpoint] {
        try await withClient(as: agent) { try await $0.snapshots().first { _ in true }?.endpoints ?? [] }
    }
}
