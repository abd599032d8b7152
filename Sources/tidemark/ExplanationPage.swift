import ControlPlaneAPI
import Workloads

/// An explanation as a page to read.
struct ExplanationPage {
    let explanation: Explanation

    init(_ explanation: Explanation) { self.explanation = explanation }

    var text: String {
        let notes = explanation.notes.map { "note: \($0)" }.joined(separator: "\n")
        return [steps, facts, verdict + kernel, notes].filter { !$0.isEmpty }.joined(separator: "\n\n")
    }

    private var steps: String { (explanation.steps ?? []).map { "step: \($0)" }.joined(separator: "\n") }

    private var facts: String {
        lines.filter { !$0.value.isEmpty }
            .map { $0.name + String(repeating: " ", count: 12 - $0.name.count) + $0.value }.joined(separator: "\n")
    }

    private var lines: [(name: String, value: String)] {
        let facts = explanation.facts
        return [
            ("process", process),
            ("uid", "\(facts.userID) (real \(facts.realUserID)), gid \(facts.groupID) (real \(facts.realGroupID))"),
            ("groups", groups),
            ("name", facts.name),
            ("argv", facts.commandLine),
            ("executable", facts.executable.path.isEmpty ? "none (in memory only)" : facts.executable.path),
            ("  sha256", facts.executable.hash ?? ""),
            ("script", facts.script?.path ?? ""),
            ("  sha256", facts.script?.hash ?? ""),
            ("cgroup", facts.cgroup),
            ("unit", facts.systemdUnit ?? ""),
            ("parent", parent),
            ("ancestors", facts.ancestorIdentities.joined(separator: ", ")),
            ("network", network),
        ]
    }

    private var process: String {
        let key = explanation.facts.key
        return key.pid == 0 ? "none yet" : "\(key.pid), started \(key.startTime) ns after boot"
    }

    private var groups: String {
        explanation.facts.additionalGroupIDs.map(String.init).joined(separator: ", ")
            + (explanation.facts.additionalGroupsTruncated ? " and more" : "")
    }

    private var parent: String {
        let facts = explanation.facts
        guard facts.parentPID > 0 else { return facts.parentIdentity ?? "" }
        return "\(facts.parentPID)" + (facts.parentIdentity.map { ", \($0)" } ?? "")
    }

    private var network: String {
        explanation.network.map { place in
            "net:[\(place.inode)], \(place.isAgents ? "the agent's own" : place.isServed ? "served" : "not served")"
        } ?? ""
    }

    private var verdict: String {
        switch explanation.match {
        case .workload(let workloadID, let because):
            return "identity    \(explanation.spiffeID ?? workloadID)\nbecause every key of its selector holds:\n"
                + Self.table(because)
        case .nameless(let template, let reason, let because):
            return
                "identity    none: \(template) cannot be filled: \(reason)\nthough every key of its selector holds:\n"
                + Self.table(because)
        case .unmanaged(let nearest) where nearest.isEmpty:
            return "identity    none; no identity is known for this host's group"
        case .unmanaged(let nearest):
            return "identity    none; no selector matches. The nearest:\n\n"
                + nearest.map(Self.miss).joined(separator: "\n\n")
        }
    }

    private var kernel: String {
        guard let kernel = explanation.kernel else { return "" }
        let answer =
            switch kernel.answer {
            case .identified: kernel.workloadID ?? "an identity this agent does not know"
            case .unmanaged: "no identity"
            case .undecided: "undecided: it waits for user space"
            case .unknown: "cannot tell; it refuses"
            }
        return "\n\nkernel part: \(answer)\(kernel.agrees ? "" : ", which is another answer: a defect")"
    }

    private static func miss(_ miss: NearMiss) -> String {
        "\(miss.workloadID), but for \(miss.failing.map(\.key).joined(separator: " and "))\n" + table(miss.evidence)
    }

    private static func table(_ evidence: [Evidence]) -> String {
        var table = Table("", "KEY", "GRADE", "EXPECTED", "ACTUAL")
        for entry in evidence {
            table.add(entry.holds ? "✓" : "✗", entry.key, entry.grade.rawValue, entry.expected, entry.actual)
        }
        return table.text
    }
}
