import ControlPlaneAPI
import Workloads

/// What a draft would change, as a page to read.
struct DraftPage {
    let report: DraftReport

    init(_ report: DraftReport) { self.report = report }

    var text: String {
        [documents, report.conflicts.isEmpty ? summary : "", changes].filter { !$0.isEmpty }.joined(separator: "\n\n")
    }

    private var documents: String {
        report.documents.map { document in
            "\(document.kind.lowercased())/\(document.name) \(document.effect.rawValue)"
                + (document.reason.map { ": \($0)" } ?? "")
        }.joined(separator: "\n")
    }

    private var summary: String {
        let counts = report.counts
        return "\(counts.processes) processes: \(counts.gain) would gain an identity, \(counts.lose) lose it, "
            + "\(counts.change) change it\(counts.nameless > 0 ? "; \(counts.nameless) with a template that cannot be filled" : "")"
            + "\nnothing was changed; in force is version \(report.version) of agent group \(report.agentGroup)"
    }

    private var changes: String {
        guard !report.changes.isEmpty else { return "" }
        var table = Table("PID", "UID", "NAME", "EFFECT", "FROM", "TO", "ARGV")
        for change in report.changes {
            table.add(
                "\(change.process.pid)", "\(change.userID)", change.name, change.effect.rawValue, change.from ?? "-",
                change.to ?? "-", change.arguments.joined(separator: " "),
            )
        }
        let reasons = report.changes.compactMap { change in change.reason.map { "note: \(change.process.pid): \($0)" } }
        return ([table.text] + reasons).joined(separator: "\n")
    }
}
