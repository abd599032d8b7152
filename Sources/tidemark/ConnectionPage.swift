import ControlPlaneAPI
import Foundation

/// Whose a connection is, as a page to read.
struct ConnectionPage {
    let found: ConnectionExplanation

    init(_ found: ConnectionExplanation) { self.found = found }

    var page: Page { Page(sections: [Page(facts: lines), process]) }

    private var lines: [(name: String, value: String?)] {
        [
            ("connection", "\(found.source ?? "unknown source") to \(found.destination)"),
            ("state", "\(found.state.rawValue)\(found.direction.map { ", \($0.rawValue)" } ?? "")"),
            ("because", found.because),
            ("wire", found.wire),
            ("workload", end(found.workload, serial: found.svidSerial)),
            ("peer", found.plainText ? "none: plain text" : end(found.peer, serial: found.peerSVIDSerial)),
            (found.state == .refused ? "refused" : "since", found.at?.formatted(.iso8601)),
            ("bytes", bytes),
            ("network", found.network.map { "cookie \($0)" }),
        ]
    }

    private var bytes: String? {
        guard let to = found.bytesToApplication, let from = found.bytesFromApplication else { return nil }
        return "\(to) to the application, \(from) from it"
    }

    private func end(_ id: String?, serial: String?) -> String? {
        id.map { $0 + (serial.map { ", SVID \($0)" } ?? "") }
    }

    private var process: Page {
        guard let process = found.process else {
            return Page(found.direction == .inbound ? [] : ["its process is gone, or of another host"])
        }
        return ExplanationPage(process).page
    }
}
