import Foundation
import Limits
import SPIFFE

/// `POST /v1/agents/self/audit`: what happened on the host, oldest first.
///
/// Every event has a number in its agent's queue, and so has each that could not be kept: what is missing between ``from`` and
/// ``end`` is lost, and counted. The control plane remembers how far it has come in a queue, so that a report that comes again
/// after its answer was lost adds nothing.
package struct AuditReport: Sendable, Codable, Equatable {
    /// Names one queue for good; another one begins anew.
    package var queue: String
    /// Numbers of ``events`` are in `from..<end`, ascending.
    package var from: UInt64
    package var end: UInt64
    package var events: [Event]

    /// An event with its place in the agent's queue.
    package struct Event: Sendable, Codable, Equatable {
        package var number: UInt64
        package var event: AgentAuditEvent

        package init(number: UInt64, event: AgentAuditEvent) {
            self.number = number
            self.event = event
        }
    }

    package init(queue: String, from: UInt64, end: UInt64, events: [Event]) {
        self.queue = queue
        self.from = from
        self.end = end
        self.events = events
    }

    /// A whole queue of its own.
    package init(events: [AgentAuditEvent], lost: Int = 0) {
        let kept = UInt64(events.count)
        self.init(
            queue: UUID().uuidString, from: 0, end: kept + UInt64(max(0, lost)),
            events: zip(0..<kept, events).map { Event(number: $0.0, event: $0.1) })
    }
}

/// The answer.
package struct AuditReceipt: Sendable, Codable {
    /// Of the queue everything below is kept, or known to be lost.
    package var next: UInt64

    package init(next: UInt64) { self.next = next }
}

extension AgentAuditEvent {
    /// At least the bytes it takes as JSON.
    package var jsonBytes: Int {
        let texts = [svidSerial, connection, peerSVIDSerial, resource, tokenID, cause, reason, process?.exe]
        return Limits.Audit.eventOverhead + texts.reduce(0) { $0 + ($1?.jsonBytes ?? 0) }
            + (process?.argv.reduce(0) { $0 + $1.jsonBytes + 3 } ?? 0)
            + (spiffeID?.description.jsonBytes ?? 0) + (peer?.description.jsonBytes ?? 0)
    }

    /// The same with every text that somebody else chose cut to size: an event always fits into a report.
    package func bounded() -> AgentAuditEvent {
        var event = self
        let bytes = Limits.Audit.textBytes
        event.svidSerial = svidSerial?.cut(toJSONBytes: bytes)
        event.connection = connection?.cut(toJSONBytes: bytes)
        event.peerSVIDSerial = peerSVIDSerial?.cut(toJSONBytes: bytes)
        event.resource = resource?.cut(toJSONBytes: bytes)
        event.tokenID = tokenID?.cut(toJSONBytes: bytes)
        event.cause = cause?.cut(toJSONBytes: bytes)
        event.reason = reason?.cut(toJSONBytes: bytes)
        event.process = process?.bounded()
        return event
    }
}

extension ProcessEvidence {
    package func bounded() -> ProcessEvidence {
        var evidence = self
        evidence.exe = exe.cut(toJSONBytes: Limits.Audit.textBytes)
        evidence.argv = argv.cut(toJSONBytes: Limits.Audit.listBytes)
        return evidence
    }
}
