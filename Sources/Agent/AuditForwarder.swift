package import ControlPlaneAPI
import Foundation
package import Logging
import Synchronization

/// Takes audit events without blocking and brings them to the control plane in order.
///
/// Bounded: what does not fit while the control plane is away is counted, and the count is reported.
package final class AuditForwarder: Sendable {
    private struct Queue {
        var events: [AgentAuditEvent] = []
        var lost = 0
    }

    private let queue = Mutex(Queue())
    private let link: ControlPlaneLink
    private let logger: Logger
    private static let limit = 20_000
    private static let batch = 200

    package init(link: ControlPlaneLink, logger: Logger) {
        self.link = link
        self.logger = logger
    }

    package var backlog: (queued: Int, lost: Int) { queue.withLock { ($0.events.count, $0.lost) } }

    package func record(_ event: AgentAuditEvent) {
        queue.withLock { queue in
            if queue.events.count < Self.limit { queue.events.append(event) } else { queue.lost += 1 }
        }
    }

    /// Sends until cancelled, then once more.
    package func run() async {
        var failures = 0
        while (try? await Task.sleep(for: failures == 0 ? .milliseconds(100) : .seconds(2))) != nil {
            failures = await flush() ? 0 : failures + 1
            if failures == 1 {
                logger.warning("audit events wait for the control plane", metadata: ["queued": "\(backlog.queued)"])
            }
        }
        _ = await flush()
    }

    private func flush() async -> Bool {
        while true {
            let (events, lost) = queue.withLock { (Array($0.events.prefix(Self.batch)), $0.lost) }
            guard !events.isEmpty || lost > 0 else { return true }
            do {
                try await link.agentClient().report(audit: AuditReport(events: events, lost: lost))
            } catch {
                return false
            }
            queue.withLock { queue in
                queue.events.removeFirst(events.count)
                queue.lost -= lost
            }
        }
    }
}
