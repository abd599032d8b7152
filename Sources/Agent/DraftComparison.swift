package import ControlPlaneAPI
package import Workloads

/// Who would gain, lose or change an identity: every process matched by two policies. Pure.
package struct DraftComparison: Sendable {
    package private(set) var counts = DraftReport.Counts()
    package private(set) var changes: [DraftReport.Change] = []

    /// - Parameter processes: with what is to be known of their files; who their parents are is found among them.
    package init(before: Matcher, after: Matcher, processes: [ProcessFacts]) {
        var (before, after) = (Lineage(processes, before), Lineage(processes, after))
        for facts in processes.sorted(by: { $0.key.pid < $1.key.pid }) {
            note(facts, from: before.verdict(on: facts), to: after.verdict(on: facts))
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

/// Processes with their parents, on whose identities their own may rest. Of parents that have ended nothing is known.
private struct Lineage {
    private struct Decided {
        var verdict: Verdict
        /// Its own identity and those of its ancestors, nearest first; nil for one without.
        var identities: [String?]
    }

    private let matcher: Matcher
    private let processes: [ProcessKey: ProcessFacts]
    private var known: [ProcessKey: Decided] = [:]

    /// How far up the ancestors are looked at, as the attestor does.
    private static let generations = 32

    init(_ processes: [ProcessFacts], _ matcher: Matcher) {
        self.matcher = matcher
        self.processes = Dictionary(processes.map { ($0.key, $0) }) { first, _ in first }
    }

    /// The eldest is decided first, so that no depth of processes is a depth of calls.
    mutating func verdict(on facts: ProcessFacts) -> Verdict {
        var line = [facts]
        var seen: Set<ProcessKey> = [facts.key]
        while let key = line.last?.parent, known[key] == nil, let parent = processes[key], seen.insert(key).inserted {
            line.append(parent)
        }
        for member in line.reversed() where known[member.key] == nil { known[member.key] = decide(member) }
        return known[facts.key]?.verdict ?? .unmanaged
    }

    private func decide(_ facts: ProcessFacts) -> Decided {
        var facts = facts
        let ancestors = facts.parent.flatMap { known[$0]?.identities } ?? []
        facts.parentIdentity = ancestors.first ?? nil
        facts.ancestorIdentities = ancestors.compactMap(\.self)
        let verdict = matcher.verdict(on: facts)
        return Decided(verdict: verdict, identities: Array(([verdict.workloadID] + ancestors).prefix(Self.generations)))
    }
}

extension Verdict {
    /// Of a template that cannot be filled.
    fileprivate var reason: String? {
        if case .nameless(let template, let reason) = self { "\(template): \(reason)" } else { nil }
    }
}
