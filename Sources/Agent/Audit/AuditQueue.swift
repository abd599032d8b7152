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
    private var waiting: AuditBacklog
    /// In this life.
    private(set) var lost = 0
    /// Whose events, and how many of each, found no room since that was asked last; only so many of them.
    private var losses: [AuditBacklog.Holder: Int] = [:]

    private let capacity: Int
    private let origin: AuditPayer.Origins

    init(capacity: Int = Limits.Audit.queueBytes, origin: @escaping AuditPayer.Origins) {
        self.init(id: UUID().uuidString, acknowledged: 0, next: 0, waiting: [], capacity: capacity, origin: origin)
    }

    init(
        id: String, acknowledged: UInt64, next: UInt64, waiting events: [AuditReport.Event],
        capacity: Int = Limits.Audit.queueBytes, origin: @escaping AuditPayer.Origins,
    ) {
        self.id = id
        self.acknowledged = acknowledged
        self.capacity = capacity
        self.origin = origin
        self.next = max(next, acknowledged, (events.last?.number).map { $0 + 1 } ?? 0)
        waiting = AuditBacklog(capacity: capacity, origin: origin)
        for event in events where event.number >= acknowledged { note(lossOf: waiting.add(event)) }
        lost = max(0, Int(clamping: self.next - acknowledged) - waiting.count)
    }

    var count: Int { waiting.count }
    var isEmpty: Bool { acknowledged == next }

    mutating func add(_ event: AgentAuditEvent) {
        let number = next
        next += 1
        let losers = waiting.add(AuditReport.Event(number: number, event: event.bounded()))
        lost += losers.count
        note(lossOf: losers)
    }

    private mutating func note(lossOf losers: [AuditBacklog.Holder]) {
        for loser in losers where losses[loser] != nil || losses.count < Limits.Refusals.sources {
            losses[loser, default: 0] += 1
        }
    }

    /// Whose events found no room since the last call, those with most of them first.
    mutating func takeLosses() -> [(holder: AuditBacklog.Holder, count: Int)] {
        defer { losses = [:] }
        return losses.sorted { $0.value > $1.value }.map { ($0.key, $0.value) }
    }

    /// What waits from this number on.
    func events(from number: UInt64) -> [AuditReport.Event] { waiting.events(from: number) }

    /// The oldest ones that fit into one report; nil where there is nothing to tell.
    func report(atMost limit: Int) -> AuditReport? {
        guard !isEmpty else { return nil }
        let oldest = waiting.oldest(max(1, limit), bytes: Limits.Audit.batchBytes)
        return AuditReport(queue: id, from: acknowledged, end: oldest.next ?? next, events: oldest.events)
    }

    /// The control plane has everything of a report.
    mutating func took(_ report: AuditReport, _ receipt: AuditReceipt) {
        guard receipt.next <= next else { return renumber() }
        acknowledged = max(acknowledged, min(report.end, next))
        waiting.removeAll(below: acknowledged)
    }

    /// It refuses this event by itself: another one says so in its place; and is left out where that is refused too.
    mutating func refused(_ event: AuditReport.Event, because reason: String) {
        // It may have made room for another one meanwhile.
        guard waiting.first?.number == event.number else { return }
        guard event.event.type != .eventRefused else {
            lost += 1
            return waiting.replaceFirst(with: nil)
        }
        let substitute = AgentAuditEvent(
            time: event.event.time, type: .eventRefused,
            reason: "the control plane refused an event of type \(event.event.type.rawValue): \(reason)",
        )
        waiting.replaceFirst(with: substitute.bounded())
    }

    /// The control plane knows more of this queue than there is: its numbers were given before, by a state that was rolled back.
    private mutating func renumber() {
        let missing = next - acknowledged - UInt64(waiting.count)
        let events = zip(missing..., waiting.events(from: 0)).map { AuditReport.Event(number: $0.0, event: $0.1.event) }
        id = UUID().uuidString
        acknowledged = 0
        next = missing + UInt64(events.count)
        waiting = AuditBacklog(capacity: capacity, origin: origin)
        for event in events { _ = waiting.add(event) }
    }
}
