package import ControlPlaneAPI
package import Workloads

/// Who would gain, lose or change an identity: every process matched by two policies. Pure.
package struct DraftComparison: Sendable {
    package private(set) var counts = DraftReport.Counts()
    package private(set) var changes: [DraftReport.Change] = []

    /// - Parameter processes: with what user space finds out, identities of parents as of the policy before.
    package init(before: Matcher, after: Matcher, processes: [ProcessFacts]) {
        var lineage = Lineage(processes, after)
        for facts in processes.sorted(by: { $0.key.pid < $1.key.pid }) {
            note(facts, from: before.verdict(on: facts), to: lineage.verdict(on: facts))
        }
    }

    private mutating func note(_ facts: ProcessFacts, from: Verdict, to: Verdict) {
        counts.processes += 1
        if from.reason != nil || to.reason != nil { counts.nameless += 1 }
        guard let effect = Self.effect(from: from.workloadID, to: to.workloadID) else { return }
        switch effect {
        case .gains: counts.gain += 1
        case .loses: counts.lose += 1
        case .changes: counts.change += 1
        }
        changes.append(
            DraftReport.Change(
                process: facts.key, name: facts.name, arguments: facts.arguments, userID: facts.userID, effect: effect,
                from: from.workloadID, to: to.workloadID, reason: to.reason ?? from.reason,
            ))
    }

    private static func effect(from: String?, to: String?) -> DraftReport.Change.Effect? {
        guard from != to else { return nil }
        if from == nil { return .gains }
        return to == nil ? .loses : .changes
    }
}

/// Processes with their parents, whose identities change with the policy too.
private struct Lineage {
    private let matcher: Matcher
    private let processes: [ProcessKey: ProcessFacts]
    private var known: [ProcessKey: (verdict: Verdict, ancestors: [String])] = [:]

    init(_ processes: [ProcessFacts], _ matcher: Matcher) {
        self.matcher = matcher
        self.processes = Dictionary(processes.map { ($0.key, $0) }) { first, _ in first }
    }

    mutating func verdict(on facts: ProcessFacts) -> Verdict {
        decide(facts).verdict
    }

    /// Eldest first, so that no depth of processes is a depth of calls.
    private mutating func decide(_ facts: ProcessFacts) -> (verdict: Verdict, ancestors: [String]) {
        var line = [facts]
        var seen: Set<ProcessKey> = [facts.key]
        while let key = line.last?.parent, known[key] == nil, let parent = processes[key], seen.insert(key).inserted {
            line.append(parent)
        }
        for member in line.reversed() where known[member.key] == nil { known[member.key] = verdictOfOne(member) }
        return known[facts.key] ?? (.unmanaged, [])
    }

    private func verdictOfOne(_ facts: ProcessFacts) -> (verdict: Verdict, ancestors: [String]) {
        var facts = facts
        if let parent = facts.parent.flatMap({ known[$0] }) {
            facts.parentIdentity = parent.verdict.workloadID
            facts.ancestorIdentities = (parent.verdict.workloadID.map { [$0] } ?? []) + parent.ancestors
        }
        return (matcher.verdict(on: facts), facts.ancestorIdentities)
    }
}

extension Verdict {
    /// Of a template that cannot be filled.
    fileprivate var reason: String? {
        if case .nameless(let template, let reason) = self { "\(template): \(reason)" } else { nil }
    }
}
