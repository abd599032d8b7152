import ControlPlaneAPI
import Workloads

/// An explanation as a page to read.
struct ExplanationPage {
    let explanation: Explanation

    init(_ explanation: Explanation) { self.explanation = explanation }

    var text: String {
        ([facts, verdict] + (explanation.notes.isEmpty ? [] : [notes])).joined(separator: "\n\n")
    }

    private var facts: String {
        let facts = explanation.facts
        return """
            process     \(facts.key.pid), started \(facts.key.startTime) ns after boot\(facts.parentPID > 0 ? ", by \(facts.parentPID)" : "")
            uid         \(facts.userID) (real \(facts.realUserID)), gid \(facts.groupID)
            name        \(facts.name)
            argv        \(facts.commandLine)
            executable  \(facts.executable.path.isEmpty ? "none (in memory only)" : facts.executable.path)
            """
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

    private var notes: String { explanation.notes.map { "note: \($0)" }.joined(separator: "\n") }

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
