import ControlPlaneAPI
import Foundation
import Workloads

/// A look at an agent as text, as large as the terminal it is for.
struct TopPage {
    private let frame: TopFrame
    private let size: Terminal.Size?

    /// - Parameter size: nil: everything, in lines as long as they are.
    init(_ frame: TopFrame, size: Terminal.Size?) {
        self.frame = frame
        self.size = size
    }

    var page: Page {
        let page = Page([header] + losses + [""]) + identities + Page([""]) + connections
        guard let size else { return page }
        return Page(page.lines.prefix(size.rows).map { String($0.prefix(size.columns)) })
    }

    private var header: String {
        "\(frame.time.formatted(.iso8601))  execs \(Self.number(frame.execsPerSecond))/s  "
            + "redirects \(Self.number(frame.redirectsPerSecond))/s  refusals \(frame.kernel.refusals)  "
            + "connections \(frame.connectionCount)  agent \(Self.number(frame.agentCPU)) % CPU"
    }

    /// A full table refuses: loud.
    private var losses: [String] {
        let lost = frame.kernel.losses.filter { $0.count > 0 }
        guard !lost.isEmpty else { return ["lost: nothing"] }
        return [
            "!!! LOST: " + lost.map { "\($0.name) \($0.count)" }.joined(separator: ", ")
                + " - what has no record is refused; see tidemarkd's log !!!"
        ]
    }

    private var identities: Page {
        guard !frame.identities.isEmpty else { return Page(["no identity is in use on this host"]) }
        var table = Table(
            "IDENTITY", "PROCESSES", "OUT", "IN", "RECEIVED", "SENT", "RECEIVED/s", "SENT/s", "REFUSALS")
        for identity in frame.identities {
            table.add(
                identity.workloadID, "\(identity.processes)", "\(identity.outbound)", "\(identity.inbound)",
                Self.bytes(Double(identity.bytesToApplication)), Self.bytes(Double(identity.bytesFromApplication)),
                Self.bytes(identity.bytesToApplicationPerSecond), Self.bytes(identity.bytesFromApplicationPerSecond),
                "\(identity.refusals)",
            )
        }
        return table.page
    }

    private var connections: Page {
        guard !frame.connections.isEmpty else { return Page(["no live connection through the proxy"]) }
        var table = Table("PROCESS", "IDENTITY", "", "PEER", "DESTINATION", "RECEIVED", "SENT", "AGE")
        for connection in frame.connections {
            table.add(
                process(connection), connection.workloadID ?? "-", connection.outbound ? "→" : "←",
                connection.peer ?? "-",
                connection.destination, Self.bytes(Double(connection.bytesToApplication)),
                Self.bytes(Double(connection.bytesFromApplication)), age(connection),
            )
        }
        return table.page
    }

    private func process(_ connection: TopReport.Connection) -> String {
        connection.process.map { "\($0.pid) \(connection.processName ?? "(ended)")" } ?? "-"
    }

    private func age(_ connection: TopReport.Connection) -> String {
        let seconds = Int(max(frame.time.timeIntervalSince(connection.startedAt), 0))
        return switch seconds {
        case ..<60: "\(seconds)s"
        case ..<3600: "\(seconds / 60)m\(seconds % 60)s"
        default: "\(seconds / 3600)h\(seconds % 3600 / 60)m"
        }
    }

    static func bytes(_ count: Double) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var (value, unit) = (count, 0)
        while value >= 1024, unit < units.count - 1 { (value, unit) = (value / 1024, unit + 1) }
        return "\(unit == 0 ? String(Int(value.rounded())) : number(value)) \(units[unit])"
    }

    private static func number(_ value: Double) -> String {
        "\((value * 10).rounded() / 10)"
    }
}
