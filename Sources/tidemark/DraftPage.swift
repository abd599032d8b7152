import ControlPlaneAPI
import Workloads

/// What a draft would change, as a page to read.
struct DraftPage {
    let report: DraftReport

    init(_ report: DraftReport) { self.report = report }

    var page: Page { Page(sections: [documents, report.conflicts.isEmpty ? summary : Page(), changes]) }

    private var documents: Page {
        Page(
            report.documents.map { document in
                "\(document.kind.lowercased())/\(document.name) \(document.effect.rawValue)"
                    + (document.reason.map { ": \($0)" } ?? "")
            })
    }

    private var summary: Page {
        let counts = report.counts
        let nameless = counts.nameless > 0 ? "; \(counts.nameless) with a template that cannot be filled" : ""
        return Page([
            "\(counts.processes) processes: \(counts.gain) would gain an identity, \(counts.lose) lose it, "
                + "\(counts.change) change it\(nameless)",
            "nothing was changed; in force is version \(report.version) of agent group \(report.agentGroup)",
        ])
    }

    private var changes: Page {
        guard !report.changes.isEmpty else { return Page() }
        var table = Table("PID", "UID", "NAME", "EFFECT", "FROM", "TO", "ARGV")
        for change in report.changes {
            table.add(
                "\(change.process.pid)", "\(change.userID)", change.name, change.effect.rawValue, change.from ?? "-",
                change.to ?? "-", change.arguments.joined(separator: " "),
            )
        }
        let reasons = report.changes.compactMap { change in change.reason.map { "note: \(change.process.pid): \($0)" } }
        return table.page + Page(reasons)
    }
}
