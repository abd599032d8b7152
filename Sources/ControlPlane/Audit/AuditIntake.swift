import ControlPlaneAPI
import Foundation
import GRDB
import Limits
import SPIFFE

/// What the audit takes of an agent's report: each event once, of its own group's identities, at a time that can be.
struct AuditIntake {
    /// How far the audit has come in an agent's queue.
    struct Position: Equatable {
        var queue: String
        /// All below are in the audit, or were told as lost.
        var next: UInt64
    }

    let agent: AgentDirectory.Agent
    let now: Date
    /// Whether an identity is one of the agent's group, or was until a moment ago.
    let isOwn: (SPIFFEID) -> Bool
    /// nil: nothing of this agent was taken yet.
    var position: Position?

    init(agent: AgentDirectory.Agent, now: Date, isOwn: @escaping (SPIFFEID) -> Bool) {
        self.agent = agent
        self.now = now
        self.isOwn = isOwn
    }

    /// - Returns: what to append; nothing where all of it was taken before.
    mutating func take(_ report: AuditReport) throws(ControlPlaneRefusal) -> [AuditChain.Entry] {
        try check(report)
        let known = position?.queue == report.queue ? position : nil
        let start = known?.next ?? report.from
        guard report.end > start else {
            position = known ?? Position(queue: report.queue, next: report.end)
            return []
        }
        let events = report.events.filter { $0.number >= start }
        var entries: [AuditChain.Entry] = []
        for event in events { entries.append(try entry(event.event)) }
        let lost = report.end - start - UInt64(events.count)
        if lost > 0 {
            entries.append(
                AuditChain.Entry(
                    time: now, source: agent.id.description, type: "audit.lost",
                    details: ["count": .integer(Int64(clamping: lost))]))
        }
        position = Position(queue: report.queue, next: report.end)
        return entries
    }

    private func check(_ report: AuditReport) throws(ControlPlaneRefusal) {
        guard report.queue.utf8.count <= 64 else { throw .body("a queue's name has at most 64 bytes") }
        guard report.end <= UInt64(Int64.max), report.from <= report.end else {
            throw .body("numbers from \(report.from) to \(report.end)")
        }
        var least = report.from
        for event in report.events {
            guard event.number >= least, event.number < report.end else {
                throw .body("event number \(event.number) is out of its place")
            }
            least = event.number + 1
        }
    }

    private func entry(_ event: AgentAuditEvent) throws(ControlPlaneRefusal) -> AuditChain.Entry {
        var details: [String: AuditValue]
        do {
            details = try WireCoding.decoder().decode(
                [String: AuditValue].self, from: WireCoding.encoder().encode(event.bounded()))
        } catch { throw .body("\(error)") }
        details["type"] = nil
        let told = details.removeValue(forKey: "time")
        details["receivedAt"] = .string(WireCoding.text(now))
        let isPossible = AuditIntake.possibleTimes(at: now).contains(event.time)
        if !isPossible { details["toldTime"] = told }
        var type = event.type.rawValue
        if let id = event.spiffeID, !isOwn(id) {
            // Kept, as it says something of the agent; but as no evidence about that identity.
            details["claimed"] = details.removeValue(forKey: "spiffeID")
            details["claimedType"] = .string(type)
            details["refused"] = .string("no manifest gives \(id) to agent group \"\(agent.group)\"")
            type = AgentAuditEvent.Kind.eventRefused.rawValue
        }
        return AuditChain.Entry(
            time: isPossible ? event.time : now, source: agent.id.description, type: type, details: details)
    }

    /// What an agent may tell; outside of it the time of receipt counts.
    static func possibleTimes(at now: Date) -> ClosedRange<Date> {
        let before = now.addingTimeInterval(-(Limits.Audit.longestDelay / .seconds(1)))
        return before...now.addingTimeInterval(Limits.Audit.clockSkew / .seconds(1))
    }
}

extension AuditIntake.Position {
    init?(of agent: AgentDirectory.Agent, in database: Database) throws {
        let row = try Row.fetchOne(
            database, sql: "SELECT queue, next FROM audit_positions WHERE agent = ?",
            arguments: [agent.id.description])
        guard let row else { return nil }
        self.init(queue: row["queue"], next: UInt64(clamping: row["next"] as Int64))
    }

    func store(for agent: AgentDirectory.Agent, in database: Database) throws {
        try database.execute(
            sql: """
                INSERT INTO audit_positions (agent, queue, next) VALUES (?, ?, ?)
                ON CONFLICT (agent) DO UPDATE SET queue = excluded.queue, next = excluded.next
                """,
            arguments: [agent.id.description, queue, Int64(clamping: next)])
    }
}
