package import ControlPlaneAPI
import Foundation
import Limits
package import Logging
import Synchronization

/// Holds the control plane's snapshot stream and has each snapshot enforced, kept and acknowledged. One that could not be enforced is tried
/// again until it can or another one comes: what it takes away would stay good on this host.
package final class PolicyFollower: Sendable {
    private let link: ControlPlaneLink
    private let enforce: @Sendable (PolicySnapshot) async throws -> Void
    private let adopt: @Sendable ([Endpoint]) async throws -> Void
    private let acknowledge: @Sendable (Acknowledgement) async throws -> Void
    private let connected: @Sendable (_ isNewStream: Bool) async -> Void
    private let file: SnapshotFile
    private let logger: Logger
    private let state = Mutex("not connected yet")
    /// What is in force whole; nil where that is not known.
    private let enforced = Mutex<PolicySnapshot?>(nil)
    /// Of a snapshot that is not in force yet.
    private let trials = Mutex<Task<Void, Never>?>(nil)

    /// - Parameters:
    ///   - enforce: makes a snapshot true on this host.
    ///   - adopt: the same, where only endpoints are others than in the snapshot before.
    ///   - acknowledge: tells the control plane what came of a snapshot.
    ///   - connected: called after each snapshot that was enforced, and told whether it is the first of a stream.
    package init(
        link: ControlPlaneLink,
        file: SnapshotFile,
        enforce: @escaping @Sendable (PolicySnapshot) async throws -> Void,
        adopt: @escaping @Sendable ([Endpoint]) async throws -> Void,
        acknowledge: @escaping @Sendable (Acknowledgement) async throws -> Void,
        connected: @escaping @Sendable (_ isNewStream: Bool) async -> Void,
        logger: Logger,
    ) {
        self.link = link
        self.file = file
        self.enforce = enforce
        self.adopt = adopt
        self.acknowledge = acknowledge
        self.connected = connected
        self.logger = logger
    }

    /// For `tidemark status --agent`.
    package var controlPlane: String { state.withLock { $0 } }

    package func run() async {
        var failures = 0
        while !Task.isCancelled {
            do {
                try await follow(link.agentClient().snapshots()) {
                    if failures > 0 || controlPlane != "connected" { logger.info("control plane connected") }
                    failures = 0
                    state.withLock { $0 = "connected" }
                }
                throw AgentError.streamEnded
            } catch {
                failures += 1
                note(error, failures: failures)
                try? await Task.sleep(
                    for: RetryPause.after(failures, because: error, usual: Self.pause(failures)))
            }
        }
        trials.withLock { $0?.cancel() }
    }

    /// One stream, to its end. What its last snapshot leaves to be tried goes on until another one comes.
    func follow(
        _ snapshots: some AsyncSequence<PolicySnapshot, any Error>, heard: () -> Void = {},
    ) async throws {
        var isNewStream = true
        for try await snapshot in snapshots {
            heard()
            let former = trials.withLock { $0.take() }
            former?.cancel()
            await former?.value
            if !(await take(snapshot, isNewStream: isNewStream)) { trySoon(snapshot, isNewStream) }
            isNewStream = false
        }
    }

    /// Cancelled between two trials, and not within one.
    private func trySoon(_ snapshot: PolicySnapshot, _ isNewStream: Bool) {
        let next = Task {
            var failures = 1
            while (try? await Task.sleep(for: Self.pause(failures))) != nil {
                let trial = Task { await take(snapshot, isNewStream: isNewStream) }
                if await trial.value { return }
                failures += 1
            }
        }
        trials.withLock { $0 = next }
    }

    private static func pause(_ failures: Int) -> Duration {
        min(Limits.Stream.longestRetry, .milliseconds(200 << min(failures, 6)))
    }

    /// - Returns: false where it is not in force, or the control plane does not know that it is.
    private func take(_ snapshot: PolicySnapshot, isNewStream: Bool) async -> Bool {
        var error: String?
        do {
            guard isNewStream || !hasOnlyOtherEndpoints(snapshot) else {
                try await adopt(snapshot.endpoints)
                enforced.withLock { $0 = snapshot }
                try file.saveLater(snapshot)
                return true
            }
            try await take(whole: snapshot)
            await connected(isNewStream)
        } catch let failure {
            logger.error("snapshot not enforced: \(failure)", metadata: ["version": "\(snapshot.version)"])
            error = "\(failure)"
        }
        do { try await acknowledge(Acknowledgement(version: snapshot.version, error: error)) } catch {
            logger.warning("snapshot not acknowledged: \(error)", metadata: ["version": "\(snapshot.version)"])
            return false
        }
        return error == nil
    }

    private func take(whole snapshot: PolicySnapshot) async throws {
        // Part of it may be in force from here on: what comes next is not compared with it.
        enforced.withLock { $0 = nil }
        try await enforce(snapshot)
        enforced.withLock { $0 = snapshot }
        try file.save(snapshot)
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
