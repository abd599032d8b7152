@testable import ControlPlane
import ControlPlaneAPI
import Foundation
import Limits
import SPIFFE
import Testing
import Workloads

/// What an agent's streams cost the others.
@Suite struct StreamShareTests {
    @Test(.timeLimit(.minutes(1)))
    func `of an agent that opens streams without end the newest few stay, and another one's stays`() async throws {
        try await TestControlPlane.serve { plane in
            let (greedy, other) = (try await plane.agent(), try await plane.agent(name: "host-b"))
            try await plane.withClient(as: other) { quiet in
                var others = quiet.snapshots().makeAsyncIterator()
                _ = try await others.next()
                // Connections of their own: one on which a stream ended is closed, which a request on it would meet.
                let clients = try (0..<2 * Limits.Stream.ofAgent).map { _ in try plane.client(as: greedy) }
                let outcome: Result<Void, any Error>
                do { outcome = .success(try await Self.open(clients, on: plane)) } catch { outcome = .failure(error) }
                for client in clients { await client.shutdown() }
                try outcome.get()
                #expect(try await others.next()?.identities.map(\.name) == ["mine"])
            }
            let told = try await plane.operators.audit().filter { $0.type == "stream.ended" }
            #expect(told.map { $0.details["agent"] } == [.string(greedy.id.description)])
        }
    }

    /// A stream by each client, one after another; then a change.
    private static func open(_ clients: [ControlPlaneClient], on plane: TestControlPlane) async throws {
        var streams = clients.map { _ in AsyncThrowingStream<PolicySnapshot, any Error>.Iterator?.none }
        for (number, client) in clients.enumerated() {
            streams[number] = client.snapshots().makeAsyncIterator()
            _ = try await streams[number]?.next()
        }
        for number in 0..<Limits.Stream.ofAgent { #expect(try await streams[number]?.next() == nil) }
        let applied = try await plane.apply(Manifests.identity("mine"))
        for number in Limits.Stream.ofAgent..<clients.count {
            #expect(try await streams[number]?.next()?.version == applied.version)
        }
        #expect(try await plane.operators.status().agents.map(\.connected) == [true, true])
    }

    @Test func `to open streams is of an agent's budget, and of nobody else's`() async throws {
        try await TestControlPlane.serve { plane in
            plane.clock.stop()
            let (greedy, other) = (try await plane.agent(), try await plane.agent(name: "host-b"))
            try await plane.withClient(as: greedy) { client in
                for _ in 0..<Limits.Reports.streamsAtOnce { _ = try await client.snapshots().first { _ in true } }
                #expect(await problem { try await client.snapshots().first { _ in true } } == "too_much")
                try await client.acknowledge(Acknowledgement(version: 1))
                plane.clock.advance(by: 1)
                _ = try await client.snapshots().first { _ in true }
            }
            _ = try await plane.withClient(as: other) { try await $0.snapshots().first { _ in true } }
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `the service forgets what an agent spent once it has it again`() async throws {
        let directory = TestControlPlane.temporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        let clock = TestClock()
        clock.stop()
        try await TestControlPlane.serve(in: directory, clock: clock, housekeeping: .milliseconds(20)) { plane in
            let agent = try await plane.agent()
            try await plane.withClient(as: agent) { try await $0.acknowledge(Acknowledgement(version: 1)) }
            #expect(plane.state.budgets.count == 1)
            clock.advance(by: 3600)
            while plane.state.budgets.count > 0 { try await Task.sleep(for: .milliseconds(5)) }
        }
    }
}
