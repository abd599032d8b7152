import ControlPlaneAPI
import Foundation
import Logging
import SPIFFE
import Synchronization
import Testing

@testable import Agent

/// What becomes of a snapshot that cannot be enforced.
@Suite("Policy follower") struct PolicyFollowerTests {
    /// An agent that refuses what it is told to refuse, and its control plane.
    private final class Host: Sendable {
        struct Refused: Error {}

        struct State {
            var enforced: [UInt64] = []
            var adopted = 0
            var acknowledged: [Acknowledgement] = []
            var refusals: [UInt64: Int] = [:]
            var isAway = false
            var reports: [Bool] = []
        }

        let state = Mutex(State())
        let folder = FileManager.default.temporaryDirectory.appending(path: "follower-\(UUID().uuidString)")

        deinit { try? FileManager.default.removeItem(at: folder) }

        func follower() throws -> PolicyFollower {
            let silent = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
            let configuration = AgentConfiguration(
                name: "a", controlPlane: .init(address: "https://127.0.0.1:1", caFile: "/nonexistent"))
            return PolicyFollower(
                link: ControlPlaneLink(configuration: configuration, vault: NoVault(), bundle: nil, logger: silent),
                file: try SnapshotFile(directory: folder.path),
                enforce: { snapshot in
                    try self.state.withLock { state in
                        if let left = state.refusals[snapshot.version], left > 0 {
                            state.refusals[snapshot.version] = left - 1
                            throw Refused()
                        }
                        state.enforced.append(snapshot.version)
                    }
                },
                adopt: { _ in self.state.withLock { $0.adopted += 1 } },
                acknowledge: { said in
                    try self.state.withLock { state in
                        if state.isAway { throw Refused() }
                        state.acknowledged.append(said)
                    }
                },
                connected: { isNew in self.state.withLock { $0.reports.append(isNew) } }, logger: silent)
        }

        /// What has happened, once `condition` holds.
        func once(_ condition: (State) -> Bool) async throws -> State {
            let deadline = ContinuousClock.now + .seconds(60)
            while true {
                if let state = state.withLock({ condition($0) ? $0 : nil }) { return state }
                try #require(ContinuousClock.now < deadline)
                try await Task.sleep(for: .milliseconds(5))
            }
        }
    }

    private let host = Host()

    @Test func `what could not be enforced is tried again though nothing else changes, and told both times`()
        async throws
    {
        host.state.withLock { $0.refusals[1] = 1 }
        try await host.follower().follow(try stream(1))
        let state = try await host.once { $0.acknowledged.count == 2 }
        #expect(state.enforced == [1] && state.acknowledged.map(\.version) == [1, 1])
        #expect(state.acknowledged[0].error != nil && state.acknowledged[1].error == nil)
        // Of the first snapshot of a stream everything is told anew, whenever it comes into force.
        #expect(state.reports == [true])
    }

    @Test func `another snapshot ends the trials of the one before, and is enforced whole`() async throws {
        host.state.withLock { $0.refusals[2] = 1_000_000 }
        let (snapshots, sender) = AsyncThrowingStream<PolicySnapshot, any Error>.makeStream()
        let follower = try host.follower()
        async let followed: Void = follower.follow(snapshots)
        sender.yield(try snapshot(1))
        sender.yield(try snapshot(2))
        _ = try await host.once { $0.refusals[2].map { $0 < 999_999 } ?? false }
        // Like the first one but for its endpoints: what is in force is neither.
        var third = try snapshot(1)
        third.endpoints = [Endpoint(address: "10.0.0.1", port: 1, workload: try SPIFFEID("spiffe://demo.example/a"))]
        sender.yield(third)
        let state = try await host.once { $0.enforced.count == 2 }
        #expect(state.enforced == [1, 1] && state.adopted == 0)
        let left = state.refusals[2]
        sender.finish()
        try await followed
        // Longer than the pause before its next trial would have been, of 800 ms: that it does not come is what is looked for.
        try await Task.sleep(for: .milliseconds(1200))
        #expect(host.state.withLock { $0.refusals[2] } == left)
    }

    @Test func `what is in force is told until the control plane has heard it`() async throws {
        host.state.withLock { $0.isAway = true }
        try await host.follower().follow(try stream(1))
        _ = try await host.once { $0.enforced.count == 1 }
        host.state.withLock { $0.isAway = false }
        let state = try await host.once { !$0.acknowledged.isEmpty }
        #expect(state.acknowledged.map(\.version) == [1] && state.acknowledged[0].error == nil)
    }

    private func stream(_ version: UInt64) throws -> AsyncThrowingStream<PolicySnapshot, any Error> {
        let snapshot = try snapshot(version)
        return AsyncThrowingStream { continuation in
            continuation.yield(snapshot)
            continuation.finish()
        }
    }

    private func snapshot(_ version: UInt64) throws -> PolicySnapshot {
        let domain = try TrustDomain("demo.example")
        return PolicySnapshot(
            version: version, trustDomain: domain, bundle: TrustBundle(trustDomain: domain, x509Authorities: []),
            identities: [], resources: [], endpoints: [], withdrawn: [], revokedTokens: [], svidLifetime: 120)
    }
}

private struct NoVault: ControlPlaneLink.CredentialVault {
    func load() -> [UInt8]? { nil }
    func store(_ bytes: [UInt8]) throws {}
}
