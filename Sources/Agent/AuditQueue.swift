import ControlPlaneAPI
import Foundation
import Limits

/// Audit events on their way to the control plane, each with its number. A value: what it holds, what it lost.
///
/// Every event takes a number, also one for which there is no room; so the numbers that are missing are those that were lost.
struct AuditQueue: Sendable {
    private(set) var id: String
    /// All below are with the control plane, or were told as lost.
    private(set) var acknowledged: UInt64
    private(set) var next: UInt64
    private var waiting: [AuditReport.Event] = []
    private var bytes = 0
    /// In this life.
    private(set) var lost = 0

    init() { self.init(id: UUID().uuidString, acknowledged: 0, next: 0, waiting: []) }

    init(id: String, acknowledged: UInt64, next: UInt64, waiting: [AuditReport.Event]) {
        self.id = id
        self.acknowledged = acknowledged
        self.waiting = waiting.filter { $0.number >= acknowledged }
        self.next = max(next, acknowledged, (self.waiting.last?.number).map { $0 + 1 } ?? 0)
        bytes = self.waiting.reduce(0) { $0 + $1.event.jsonBytes }
        lost = max(0, Int(clamping: self.next - acknowledged) - self.waiting.count)
    }

    var count: Int { waiting.count }
    var isEmpty: Bool { acknowledged == next }

    mutating func add(_ event: AgentAuditEvent) {
        let event = event.bounded()
        let number = next
        next += 1
        let size = event.jsonBytes
        guard bytes + size <= Limits.Audit.queueBytes else { return lost += 1 }
        bytes += size
        waiting.append(AuditReport.Event(number: number, event: event))
    }

    /// What waits from this number on.
    func events(from number: UInt64) -> ArraySlice<AuditReport.Event> {
        waiting[(waiting.firstIndex { $0.number >= number } ?? waiting.endIndex)...]
    }

    /// The oldest ones that fit into one report; nil where there is nothing to tell.
    func report(atMost limit: Int) -> AuditReport? {
        guard !isEmpty else { return nil }
        var size = 0
        let events = waiting.prefix(max(1, limit)).prefix { event in
            size += event.event.jsonBytes
            return size <= Limits.Audit.batchBytes
        }
        let end = events.count == waiting.count ? next : waiting[events.count].number
        return AuditReport(queue: id, from: acknowledged, end: end, events: Array(events))
    }

    /// The control plane has everything of a report.
    mutating func took(_ report: AuditReport, _ receipt: AuditReceipt) {
        guard receipt.next <= next else { return renumber() }
        acknowledged = max(acknowledged, min(report.end, next))
        let done = waiting.prefix { $0.number < acknowledged }
        bytes -= done.reduce(0) { $0 + $1.event.jsonBytes }
        waiting.removeFirst(done.count)
    }

    /// It refuses the first event by itself: another one says so in its place; and is left out where that is refused too.
    mutating func refusedFirst(because reason: String) {
        guard let first = waiting.first else { return }
        bytes -= first.event.jsonBytes
        guard first.event.type != .eventRefused else {
            lost += 1
            waiting.removeFirst()
            return
        }
        let substitute = AgentAuditEvent(
            time: first.event.time, type: .eventRefused,
            reason: "the control plane refused an event of type \(first.event.type.rawValue): \(reason)",
        ).bounded()
        bytes += substitute.jsonBytes
        waiting[0].event = substitute
    }

    /// The control plane knows more of this queue than there is: its numbers were given before, by a state that was rolled back.
    private mutating func renumber() {
        let missing = next - acknowledged - UInt64(waiting.count)
        id = UUID().uuidString
        acknowledged = 0
        waiting = zip(missing..., waiting).map { AuditReport.Event(number: $0.0, event: $0.1.event) }
        next = missing + UInt64(waiting.count)
    }
}
