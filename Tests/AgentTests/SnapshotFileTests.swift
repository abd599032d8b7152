@testable import Agent
import ControlPlaneAPI
import Foundation
import Logging
import SPIFFE
import Synchronization
import Testing
import Workloads

@Suite struct SnapshotFileTests {
    private let directory = FileManager.default.temporaryDirectory.appending(path: "tidemark-\(UUID().uuidString)")

    private func snapshot(_ version: UInt64, _ identities: [WorkloadIdentity]) throws -> PolicySnapshot {
        let domain = try TrustDomain("demo.example")
        return PolicySnapshot(
            version: version, trustDomain: domain, bundle: TrustBundle(trustDomain: domain, x509Authorities: []),
            identities: identities, resources: [],
            // A text that looks like the place where the identities belong.
            endpoints: [
                Endpoint(
                    address: #""identities":[]"#, port: 1, workload: try SPIFFEID("spiffe://demo.example/server"))
            ],
            withdrawn: [], revokedTokens: [#""identities":[]"#], svidLifetime: 120)
    }

    private static func identity(_ name: String, uid: UInt32 = 1) -> WorkloadIdentity {
        WorkloadIdentity(
            name: name, agentGroup: "g", workloadID: WorkloadName(stringLiteral: name),
            selectors: [Selector(userIDs: [uid])])
    }

    @Test func `one snapshot after another is the whole text, and is loaded as it was saved`() throws {
        defer { try? FileManager.default.removeItem(at: directory) }
        let file = try SnapshotFile(directory: directory.path)
        #expect(try file.load() == nil)
        let steps = [
            [Self.identity("a"), Self.identity("b")], [Self.identity("a", uid: 2), Self.identity("b")],
            [Self.identity("b")], [], [Self.identity("a"), Self.identity("b", uid: 3)],
        ]
        for (number, identities) in steps.enumerated() {
            let snapshot = try snapshot(UInt64(number), identities)
            try file.save(snapshot)
            #expect(
                try Data(contentsOf: directory.appending(path: "snapshot.json"))
                    == WireCoding.encoder().encode(snapshot))
            #expect(try SnapshotFile(directory: directory.path).load() == snapshot)
        }
    }

    @Test func `what cannot be written ends nothing, and is written when it can be`() async throws {
        let silent = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        let writes = Mutex(0)
        let activity = Activity.writing("it", every: .milliseconds(1), logger: silent) {
            let count = writes.withLock { writes in
                writes += 1
                return writes
            }
            if count < 3 { throw CocoaError(.fileWriteOutOfSpace) }
        }
        let running = Task { try await activity.run(logger: silent) }
        let deadline = ContinuousClock.now + .seconds(60)
        while writes.withLock({ $0 }) < 5 {
            try #require(ContinuousClock.now < deadline)
            try await Task.sleep(for: .milliseconds(2))
        }
        running.cancel()
        try await running.value
    }
}
