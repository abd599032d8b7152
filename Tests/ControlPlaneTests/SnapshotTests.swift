import AsyncHTTPClient
import ControlPlane
@testable import ControlPlaneAPI
import Foundation
import GRDB
import NIOCore
import SPIFFE
import Testing
import Workloads

@Suite struct SnapshotTests {
    @Test func `a connected agent is sent each version, and counts as connected`() async throws {
        try await TestControlPlane.serve { plane in
            let agent = try await plane.agent()
            try await plane.withClient(as: agent) { client in
                var snapshots = client.snapshots().makeAsyncIterator()
                let first = try #require(try await snapshots.next())
                #expect(first.identities.isEmpty)
                #expect(first.bundle == plane.state.bundle)
                #expect(try await plane.operators.status().agents.map(\.connected) == [true])

                let applied = try await plane.apply(
                    Manifests.identity("mine") + "---\n" + Manifests.identity("theirs", group: "other"))
                let second = try #require(try await snapshots.next())
                #expect(second.version == applied.version)
                #expect(second.identities.map(\.name) == ["mine"])
                #expect(second.svidLifetime == 120)

                try await client.acknowledge(Acknowledgement(version: second.version, error: "a map is full"))
                let status = try #require(try await plane.operators.status().agents.first)
                #expect(status.acknowledgedVersion == second.version)
                #expect(status.error == "a map is full")
            }
        }
    }

    @Test func `a stream goes on with changes, which an agent sees as whole snapshots`() async throws {
        try await TestControlPlane.serve { plane in
            let agent = try await plane.agent()
            try await plane.withClient(as: agent) { client in
                var snapshots = client.snapshots().makeAsyncIterator()
                _ = try await snapshots.next()
                let steps: [@Sendable () async throws -> Void] = [
                    { _ = try await plane.apply(Manifests.weather) },
                    { _ = try await plane.apply(Manifests.identity("client", uid: 1002)) },
                    { _ = try await plane.apply(Manifests.identity("another")) },
                    { _ = try await plane.operators.delete(kind: "WorkloadIdentity", name: "client") },
                    { _ = try await plane.apply(Manifests.identity("server", group: "other")) },
                ]
                for step in steps {
                    try await step()
                    let followed = try #require(try await snapshots.next())
                    #expect(try await client.snapshots().first { _ in true } == followed)
                }
            }
        }
    }

    @Test func `the first line of a stream is whole, later ones carry what differs`() async throws {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(Manifests.identity("a") + "---\n" + Manifests.identity("b"))
            let agent = try await plane.agent()
            let http = HTTPClient(
                configuration: try .mutualTLS(trust: .bundle(plane.state.bundle), identity: agent))
            do {
                let answer = try await http.execute(
                    HTTPClientRequest(url: plane.address + "/v1/agents/self/snapshots"), deadline: .distantFuture)
                var lines = Self.lines(of: answer.body).makeAsyncIterator()
                let first = try #require(try await lines.next())
                let whole = try WireCoding.decoder().decode(PolicySnapshot.self, from: first)
                #expect(whole.identities.map(\.name) == ["a", "b"])
                let applied = try await plane.apply(Manifests.identity("b", uid: 1002))
                let bytes = try #require(try await lines.next())
                let change = try WireCoding.decoder().decode(SnapshotChange.self, from: bytes)
                #expect(change.since == whole.version && change.version == applied.version)
                #expect(change.changed.map(\.name) == ["b"] && change.removed.isEmpty)
            } catch {
                try await http.shutdown()
                throw error
            }
            try await http.shutdown()
        }
    }

    /// Without heartbeats.
    private static func lines(of body: HTTPClientResponse.Body) -> AsyncThrowingStream<Data, any Error> {
        AsyncThrowingStream { continuation in
            let reader = Task {
                var line = Data()
                for try await part in body {
                    for byte in part.readableBytesView {
                        if byte != UInt8(ascii: "\n") {
                            line.append(byte)
                        } else if !line.isEmpty {
                            continuation.yield(line)
                            line = Data()
                        }
                    }
                }
                continuation.finish()
            }
            continuation.onTermination = { _ in reader.cancel() }
        }
    }

    @Test func `a stream ends when its agent's record is removed`() async throws {
        try await TestControlPlane.serve { plane in
            let agent = try await plane.agent()
            try await plane.withClient(as: agent) { client in
                var snapshots = client.snapshots().makeAsyncIterator()
                _ = try await snapshots.next()
                try await plane.state.store.database.write { try $0.execute(sql: "DELETE FROM agents") }
                _ = try await plane.apply(Manifests.identity("mine"))
                #expect(try await snapshots.next() == nil)
            }
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `an agent that hangs up is off the list at once`() async throws {
        try await TestControlPlane.serve { plane in
            let agent = try await plane.agent()
            try await plane.withClient(as: agent) { client in
                _ = try await client.snapshots().first { _ in true }
            }
            while try await plane.operators.status().agents.first?.connected == true {
                try await Task.sleep(for: .milliseconds(20))
            }
        }
    }

    @Test func `a client goes on with a new SVID while its stream stays`() async throws {
        try await TestControlPlane.serve { plane in
            let first = try await plane.agent(name: "first")
            let second = try await plane.agent(name: "second")
            try await plane.withClient(as: first) { client in
                var snapshots = client.snapshots().makeAsyncIterator()
                _ = try await snapshots.next()
                try await client.present(second, trust: .bundle(plane.state.bundle))
                try await client.acknowledge(Acknowledgement(version: 1))
                let acknowledged = try await plane.operators.status().agents.filter { $0.acknowledgedVersion == 1 }
                #expect(acknowledged.map(\.spiffeID) == [second.id.description])
                _ = try await plane.apply(Manifests.identity("mine"))
                #expect(try await snapshots.next()?.version == 2)
            }
        }
    }
}
