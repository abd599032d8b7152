package import ControlPlaneAPI
import SPIFFE
package import Workloads

/// Who would gain, lose or change an identity: every process matched by two policies. Pure.
package struct DraftComparison: Sendable {
    package private(set) var counts = DraftReport.Counts()
    package private(set) var changes: [DraftReport.Change] = []

    /// - Parameter processes: with what is to be known of their files; who their parents are is found among them.
    package init(before: Matcher, after: Matcher, processes: [ProcessFacts]) {
        var (before, after) = (Kinship(processes, before), Kinship(processes, after))
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
                from: from.workloadID?.text, to: to.workloadID?.text, reason: to.reason ?? from.reason,
            ))
    }

    private static func effect(from: SPIFFEPath?, to: SPIFFEPath?) -> DraftReport.Change.Effect? {
        guard from != to else { return nil }
        if from == nil { return .gains }
        return to == nil ? .loses : .changes
    }
}

/// Processes with their parents, on whose identities their own may rest. Of parents that have ended nothing is known.
private struct Kinship {
    private struct Decided {
        var verdict: Verdict
        /// Of its children.
        var below: Lineage
    }

    private let matcher: Matcher
    private let processes: [ProcessKey: ProcessFacts]
    private var known: [ProcessKey: Decided] = [:]

    init(_ processes: [ProcessFacts], _ matcher: Matcher) {
        self.matcher = matcher
        self.processes = Dictionary(processes.map { ($0.key, $0) }) { first, _ in first }
    }

    /// The eldest is decided first, so that no depth of processes is a depth of calls.
    mutating func verdict(on facts: ProcessFacts) -> Verdict {
        let line = Lineage.line(above: facts, upTo: .max) { key in
            known[key] == nil ? processes[key].map { ($0, $0) } : nil
        }
        for ancestor in line.reversed() { known[ancestor.key] = decide(ancestor) }
        let decided = known[facts.key] ?? decide(facts)
        known[facts.key] = decided
        return decided.verdict
    }

    private func decide(_ facts: ProcessFacts) -> Decided {
        let lineage = facts.parent.flatMap { known[$0]?.below } ?? .unknown
        let verdict = matcher.verdict(on: facts.of(lineage))
        return Decided(verdict: verdict, below: lineage.below(verdict.workloadID))
    }
}

extension Verdict {
    /// Of a template that cannot be filled.
    fileprivate var reason: String? {
        if case .nameless(let template, let reason) = self { "\(template): \(reason)" } else { nil }
    }
}
