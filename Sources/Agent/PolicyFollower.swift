package import ControlPlaneAPI
import Foundation
package import Logging
import Synchronization

/// Holds the control plane's snapshot stream and has each snapshot enforced, kept and acknowledged.
package final class PolicyFollower: Sendable {
    private let link: ControlPlaneLink
    private let enforce: @Sendable (PolicySnapshot) async throws -> Void
    private let connected: @Sendable () async -> Void
    private let file: SnapshotFile
    private let logger: Logger
    private let state = Mutex("not connected yet")

    package init(
        link: ControlPlaneLink,
        file: SnapshotFile,
        enforce: @escaping @Sendable (PolicySnapshot) async throws -> Void,
        connected: @escaping @Sendable () async -> Void,
        logger: Logger,
    ) {
        self.link = link
        self.file = file
        self.enforce = enforce
        self.connected = connected
        self.logger = logger
    }

    /// For `tidemark status --agent`.
    package var controlPlane: String { state.withLock { $0 } }

    package func run() async {
        var failures = 0
        while !Task.isCancelled {
            do {
                for try await snapshot in try await link.agentClient().snapshots() {
                    if failures > 0 || controlPlane != "connected" { logger.info("control plane connected") }
                    failures = 0
                    state.withLock { $0 = "connected" }
                    await take(snapshot)
                }
                throw AgentError.streamEnded
            } catch {
                failures += 1
                note(error, failures: failures)
                try? await Task.sleep(for: .milliseconds(min(5_000, 200 << min(failures, 6))))
            }
        }
    }

    private func take(_ snapshot: PolicySnapshot) async {
        do {
            try await link.adopt(bundle: snapshot.bundle)
            try await enforce(snapshot)
            try file.save(snapshot)
            try await link.agentClient().acknowledge(Acknowledgement(version: snapshot.version))
            await connected()
        } catch {
            logger.error("snapshot not enforced: \(error)", metadata: ["version": "\(snapshot.version)"])
            try? await link.agentClient().acknowledge(Acknowledgement(version: snapshot.version, error: "\(error)"))
        }
    }

    private func note(_ error: any Error, failures: Int) {
        state.withLock { $0 = "away since attempt \(failures): \(error)" }
        guard failures == 1 || failures % 12 == 0 else { return }
        logger.warning("control plane away, going on with the last policy: \(error)")
    }
}
