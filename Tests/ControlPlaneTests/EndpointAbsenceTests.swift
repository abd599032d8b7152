@testable import ControlPlane
import ControlPlaneAPI
import Foundation
import Limits
import SPIFFE
import Testing

/// When the endpoints of an agent that is away go to one that waits for them, and when they do not.
@Suite struct EndpointAbsenceTests {
    private static let absence = Limits.Endpoints.absence / .seconds(1)

    @Test func `an agent that is connected keeps its endpoints however long others claim them`() async throws {
        try await Self.contest { plane, first, _, mine in
            try await plane.withClient(as: first) { client in
                var snapshots = client.snapshots().makeAsyncIterator()
                _ = try await snapshots.next()
                plane.clock.advance(by: 10 * Self.absence)
                try await AgentDesk(state: plane.state).passEndpoints()
                #expect(try await Self.standing(on: plane) == [mine])
            }
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `one that is away has ten minutes to come back`() async throws {
        try await Self.contest { plane, first, theirs, mine in
            let desk = AgentDesk(state: plane.state)
            // Nobody knows yet who has been away.
            plane.clock.advance(by: 2 * Self.absence)
            _ = try await plane.withClient(as: first) { try await $0.snapshots().first { _ in true } }
            while await plane.state.hub.connected.contains(first.id) { try await Task.sleep(for: .milliseconds(5)) }
            plane.clock.advance(by: Self.absence - 60)
            try await desk.passEndpoints()
            #expect(try await Self.standing(on: plane) == [mine])
            // It was here, which counts anew.
            _ = try await plane.withClient(as: first) { try await $0.snapshots().first { _ in true } }
            while await plane.state.hub.connected.contains(first.id) { try await Task.sleep(for: .milliseconds(5)) }
            plane.clock.advance(by: Self.absence - 60)
            try await desk.passEndpoints()
            #expect(try await Self.standing(on: plane) == [mine])
            plane.clock.advance(by: 120)
            try await desk.passEndpoints()
            #expect(try await Self.standing(on: plane) == [theirs])
            let told = try await plane.operators.audit().filter { $0.type == "endpoint.passed" }
            #expect(told.map { $0.details["agent"] } == [.string(first.id.description)])
        }
    }

    @Test func `a server that has just started takes nothing from those it has not seen yet`() async throws {
        try await Self.contest { plane, _, theirs, mine in
            let desk = AgentDesk(state: plane.state)
            plane.clock.advance(by: Self.absence - 60)
            try await desk.passEndpoints()
            #expect(try await Self.standing(on: plane) == [mine])
            plane.clock.advance(by: 120)
            try await desk.passEndpoints()
            #expect(try await Self.standing(on: plane) == [theirs])
        }
    }

    @Test func `what is passed reaches the streams, and the one that comes back waits behind`() async throws {
        try await Self.contest { plane, first, theirs, mine in
            let watching = try await plane.agent(name: "watching")
            try await plane.withClient(as: watching) { client in
                var snapshots = client.snapshots().makeAsyncIterator()
                #expect(try await snapshots.next()?.endpoints == [mine])
                plane.clock.advance(by: 2 * Self.absence)
                try await AgentDesk(state: plane.state).passEndpoints()
                #expect(try await snapshots.next()?.endpoints == [theirs])
            }
            let receipt = try await plane.withClient(as: first) {
                try await $0.report(endpoints: EndpointReport(endpoints: [mine]))
            }
            #expect(receipt.refused.map(\.endpoint) == [mine])
            #expect(try await Self.standing(on: plane) == [theirs])
        }
    }

    private static func standing(on plane: TestControlPlane) async throws -> [Endpoint] {
        try await plane.state.store.read { try EndpointClaims.standing(in: $0) }
    }

    /// Two agents claim one place: `first` for "mine" and, after it, another one for "other".
    private static func contest(
        _ body:
            @Sendable @escaping (TestControlPlane, X509SVID, _ theirs: Endpoint, _ mine: Endpoint) async throws ->
            Void,
    ) async throws {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(Manifests.identity("mine") + "---\n" + Manifests.identity("other", uid: 1002))
            let first = try await plane.agent()
            let second = try await plane.agent(name: "second")
            let claims = try ["mine", "other"].map {
                Endpoint(address: "10.0.0.2", port: 8000, workload: try TestControlPlane.id($0))
            }
            for (agent, claim) in [(first, claims[0]), (second, claims[1])] {
                try await plane.withClient(as: agent) {
                    _ = try await $0.report(endpoints: EndpointReport(endpoints: [claim]))
                }
            }
            try await body(plane, first, claims[1], claims[0])
        }
    }
}
