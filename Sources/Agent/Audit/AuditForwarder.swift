package import ControlPlaneAPI
import Foundation
import Limits
import Logging
import SPIFFE
import Synchronization

/// Takes audit events without waiting for anybody and brings them to the control plane, in order and each once.
///
/// Bounded: what does not fit while the control plane is away is counted, and the count is reported. Whoever makes most events
/// loses them first, see ``AuditBacklog``. What waits is kept over a
/// stop of the agent; see ``AuditSpool``.
package final class AuditForwarder: Sendable {
    private struct State: ~Copyable {
        var queue: AuditQueue
        var spool: AuditSpool
        /// The control plane said so.
        var pause: Duration?
        var lossesTold: ContinuousClock.Instant?
    }

    private let state: Mutex<State>
    private let send: @Sendable (AuditReport) async throws -> AuditReceipt
    private let logger: Logger

    /// - Parameters:
    ///   - directory: the agent's own; exists.
    ///   - origin: where IDs of this host come from, see ``AuditPayer``.
    ///   - send: brings one report to the control plane.
    init(
        directory: String, logger: Logger, origin: @escaping AuditPayer.Origins,
        send: @escaping @Sendable (AuditReport) async throws -> AuditReceipt,
    ) throws {
        var spool = try AuditSpool(directory: directory)
        let queue = try spool.load(origin: origin)
        try spool.note(queue)
        if !queue.isEmpty {
            logger.notice(
                "audit events of the agent before this one",
                metadata: ["kept": "\(queue.count)", "lost": "\(queue.lost)"])
        }
        state = Mutex(State(queue: queue, spool: spool))
        self.send = send
        self.logger = logger
    }

    package var backlog: (queued: Int, lost: Int) { state.withLock { ($0.queue.count, $0.queue.lost) } }

    package func record(_ event: AgentAuditEvent) {
        state.withLock { state in
            state.queue.add(event)
            // A disk that takes no more must not keep a connection from being decided.
            try? state.spool.note(state.queue)
        }
    }

    /// Sends until cancelled.
    package func run() async {
        var failures = 0
        // A sleep fails where it is cancelled, and in no other case.
        while (try? await Task.sleep(for: pause ?? (failures == 0 ? Limits.Updates.ofAudit : Limits.Wait.audit))) != nil
        {
            failures = await flush() ? 0 : failures + 1
            if failures == 0 { settle() } else { keep() }
            tellLosses()
            if failures == 1 {
                logger.warning("audit events wait for the control plane", metadata: ["queued": "\(backlog.queued)"])
            }
        }
    }

    /// How long the control plane asked to wait, when it was asked last.
    package var pause: Duration? { state.withLock { $0.pause } }

    /// Puts on disk what waits. The last call of an agent that stops.
    package func keep() {
        state.withLock { state in
            do {
                try state.spool.note(state.queue)
                try state.spool.keep(state.queue)
            } catch {
                logger.error("audit events are not kept over a stop of the agent: \(error)")
            }
        }
    }

    private func tellLosses() {
        let losses =
            state.withLock { state in
                guard state.lossesTold.map({ .now - $0 > Self.lossInterval }) ?? true else { return [] }
                let losses = state.queue.takeLosses()
                if !losses.isEmpty { state.lossesTold = .now }
                return losses
            } as [(holder: AuditPayer, count: Int)]
        guard !losses.isEmpty else { return }
        let whose = losses.prefix(3).map { "\($0.holder): \($0.count)" }
        logger.warning(
            "audit events are lost: no room is left for more of those who have most waiting",
            metadata: ["of": "\(whose.joined(separator: ", "))"])
    }

    private static let lossInterval = Limits.Queues.lossTold

    /// All was sent: nothing on the disk is of use any more.
    private func settle() {
        state.withLock { state in
            try? state.spool.note(state.queue)
            try? state.spool.forget()
        }
    }

    /// - Returns: false where the control plane did not answer, or cannot take anything now.
    package func flush() async -> Bool {
        var limit = Limits.Audit.batchEvents
        state.withLock { $0.pause = nil }
        while let report = state.withLock({ $0.queue.report(atMost: limit) }) {
            do {
                let receipt = try await send(report)
                state.withLock { $0.queue.took(report, receipt) }
                limit = min(Limits.Audit.batchEvents, limit * 2)
            } catch ControlPlaneError.problem(let problem) where Self.isOfContent(problem) && !report.events.isEmpty {
                logger.warning("audit events refused: \(problem)", metadata: ["events": "\(report.events.count)"])
                limit = max(1, report.events.count / 2)
                if report.events.count == 1 {
                    state.withLock { $0.queue.refused(report.events[0], because: problem.message) }
                }
            } catch {
                state.withLock { $0.pause = (error as? ControlPlaneError)?.wait }
                return false
            }
        }
        return true
    }

    /// Sent again, the very same would be refused again.
    private static func isOfContent(_ problem: Problem) -> Bool {
        ["body_invalid", "body_too_large", "parameter_invalid"].contains(problem.error)
    }
}
