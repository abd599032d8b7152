import ControlPlaneAPI
import Foundation
import Testing

@testable import Agent

@Suite("Metrics page")
struct MetricsPageTests {
    private var text: String {
        var kernel = KernelCounters()
        kernel.processesLost = 4
        var identity = TopReport.Identity(workloadID: "a/\"b\"\u{301}\\\r\n")
        identity.bytesToApplication = 12
        let status = AgentSelfStatus(
            spiffeID: "spiffe://d/tidemark/agent/g/n", version: 7, controlPlane: "connected", identities: 2, svids: 1,
            connections: 3, networks: 5, auditQueued: 0, auditLost: 6, kernel: kernel,
        )
        let activity = TopReport(
            time: Date(), kernel: kernel, cpuSeconds: 1.5, connectionCount: 3, identities: [identity], connections: [],
            refusals: ["plain_text": 9])
        return MetricsPage(status, activity).text
    }

    @Test func `each sample follows its family's help and type, and the page ends with a line's end`() {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.last == "")
        var family = ""
        for line in lines.dropLast() {
            if line.hasPrefix("# HELP ") {
                family = String(line.split(separator: " ")[2])
            } else if line.hasPrefix("# TYPE ") {
                #expect(line.split(separator: " ")[2] == family)
                #expect(["counter", "gauge"].contains(line.split(separator: " ")[3]))
            } else {
                #expect(line.hasPrefix(family) && Double(line.split(separator: " ").last ?? "") != nil, "\(line)")
            }
        }
    }

    @Test(arguments: [
        "tidemark_kernel_processes_lost_total 4", "tidemark_networks 5",
        #"tidemark_refusals_total{cause="plain_text"} 9"#, "tidemark_audit_lost_total 6",
        "tidemark_control_plane_connected 1", "tidemark_agent_cpu_seconds_total 1.5",
        #"tidemark_workload_received_bytes_total{workload="a/\"b\""# + "\u{301}" + #"\\"# + "\r\\n\"} 12",
    ])
    func `a number has its name and its labels`(_ line: String) {
        #expect(text.split(separator: "\n").contains(Substring(line)))
    }
}
