package import ControlPlaneAPI
import Foundation
import Limits
package import Logging
import Synchronization

/// Holds the control plane's snapshot stream and has each snapshot enforced, kept and acknowledged.
package final class PolicyFollower: Sendable {
    private let link: ControlPlaneLink
    private let enforce: @Sendable (PolicySnapshot) async throws -> Void
    private let adopt: @Sendable ([Endpoint]) async throws -> Void
    private let connected: @Sendable (_ isNewStream: Bool) async -> Void
    private let file: SnapshotFile
    private let logger: Logger
    private let state = Mutex("not connected yet")
    private let enforced = Mutex<PolicySnapshot?>(nil)

    /// - Parameters:
    ///   - enforce: makes a snapshot true on this host.
    ///   - adopt: the same, where only endpoints are others than in the snapshot before.
    ///   - connected: called after each snapshot that was enforced, and told whether it is the first of a stream.
    package init(
        link: ControlPlaneLink,
        file: SnapshotFile,
        enforce: @escaping @Sendable (PolicySnapshot) async throws -> Void,
        adopt: @escaping @Sendable ([Endpoint]) async throws -> Void,
        connected: @escaping @Sendable (_ isNewStream: Bool) async -> Void,
        logger: Logger,
    ) {
        self.link = link
        self.file = file
        self.enforce = enforce
        self.adopt = adopt
        self.connected = connected
        self.logger = logger
    }

    /// For `tidemark status --agent`.
    package var controlPlane: String { state.withLock { $0 } }

    package func run() async {
        var failures = 0
        while !Task.isCancelled {
            var isNewStream = true
            do {
                for try await snapshot in try await link.agentClient().snapshots() {
                    if failures > 0 || controlPlane != "connected" { logger.info("control plane connected") }
                    failures = 0
                    state.withLock { $0 = "connected" }
                    await take(snapshot, isNewStream: isNewStream)
                    isNewStream = false
                }
                throw AgentError.streamEnded
            } catch {
                failures += 1
                note(error, failures: failures)
                try? await Task.sleep(for: min(Limits.Stream.longestRetry, .milliseconds(200 << min(failures, 6))))
            }
        }
    }

    private func take(_ snapshot: PolicySnapshot, isNewStream: Bool) async {
        do {
            if isNewStream || !hasOnlyOtherEndpoints(snapshot) {
                try await follow(snapshot)
                await connected(isNewStream)
            } else {
                try await adopt(snapshot.endpoints)
                enforced.withLock { $0 = snapshot }
                try file.saveLater(snapshot)
            }
        } catch {
            logger.error("snapshot not enforced: \(error)", metadata: ["version": "\(snapshot.version)"])
            try? await link.agentClient().acknowledge(Acknowledgement(version: snapshot.version, error: "\(error)"))
        }
    }

    private func follow(_ snapshot: PolicySnapshot) async throws {
        try await link.adopt(bundle: snapshot.bundle)
        try await enforce(snapshot)
        enforced.withLock { $0 = snapshot }
        try file.save(snapshot)
        try await link.agentClient().acknowledge(Acknowledgement(version: snapshot.version))
    }

    /// Compares, as a control plane that was rolled back gives a number again. Arrays that came from one line are one.
    private func hasOnlyOtherEndpoints(_ snapshot: PolicySnapshot) -> Bool {
        guard var former = enforced.withLock({ $0 }) else { return false }
        former.endpoints = snapshot.endpoints
        return former == snapshot
    }

    private func note(_ error: any Error, failures: Int) {
        state.withLock { $0 = "away since attempt \(failures): \(error)" }
        guard failures == 1 || failures % 12 == 0 else { return }
        logger.warning("control plane away, going on with the last policy: \(error)")
    }
}
