import ControlPlaneAPI
import Workloads

/// An explanation as a page to read.
struct ExplanationPage {
    let explanation: Explanation

    init(_ explanation: Explanation) { self.explanation = explanation }

    var page: Page {
        let steps = (explanation.steps ?? []).map { "step: \($0)" }
        let facts = lines.map { (name: $0.name, value: $0.value.isEmpty ? nil : $0.value) }
        let notes = explanation.notes.map { "note: \($0)" }
        return Page(sections: [Page(steps), Page(facts: facts)] + verdict + [kernel, Page(notes)])
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
            ("host", facts.isOnHost ? "in no container's namespaces" : "no: in namespaces of its own or a container's"),
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
        let began = facts.parent.map { ", started \($0.startTime) ns after boot" } ?? ""
        return "\(facts.parentPID)" + began + (facts.parentIdentity.map { ", \($0)" } ?? "")
    }

    private var network: String {
        explanation.network.map { place in
            "net:[\(place.inode)], \(place.isAgents ? "the agent's own" : place.isServed ? "served" : "not served")"
        } ?? ""
    }

    private var verdict: [Page] {
        switch explanation.match {
        case .workload(let workloadID, let because):
            let head = [
                "identity    \(explanation.spiffeID ?? "\(workloadID)")", "because every key of its selector holds:",
            ]
            return [Page(head) + Self.table(because)]
        case .nameless(let template, let reason, let because):
            let head = [
                "identity    none: \(template) cannot be filled: \(reason)", "though every key of its selector holds:",
            ]
            return [Page(head) + Self.table(because)]
        case .unmanaged(let nearest) where nearest.isEmpty:
            return [Page(["identity    none; no identity is known for this host's group"])]
        case .unmanaged(let nearest):
            return [Page(["identity    none; no selector matches. The nearest:"])] + nearest.map(Self.miss)
        }
    }

    private var kernel: Page {
        guard let kernel = explanation.kernel else { return Page() }
        let answer =
            switch kernel.answer {
            case .identified: kernel.workloadID ?? "an identity this agent does not know"
            case .unmanaged: "no identity"
            case .undecided: "undecided: it waits for user space"
            case .unknown: "cannot tell; it refuses"
            }
        return Page(["kernel part: \(answer)\(kernel.agrees ? "" : ", which is another answer: a defect")"])
    }

    private static func miss(_ miss: NearMiss) -> Page {
        Page(["\(miss.workloadID), but for \(miss.failing.map(\.key).joined(separator: " and "))"])
            + table(miss.evidence)
    }

    private static func table(_ evidence: [Evidence]) -> Page {
        var table = Table("", "KEY", "GRADE", "EXPECTED", "ACTUAL")
        for entry in evidence {
            table.add(entry.holds ? "✓" : "✗", entry.key, entry.grade.rawValue, entry.expected, entry.actual)
        }
        return table.page
    }
}
