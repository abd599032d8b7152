package import ControlPlaneAPI

/// The agent's numbers in the text exposition format of Prometheus, version 0.0.4.
package struct MetricsPage: Sendable {
    private let status: AgentSelfStatus
    private let activity: TopReport

    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    package init(_ status: AgentSelfStatus, _ activity: TopReport) {
        self.status = status
        self.activity = activity
    }

    package var text: String {
        (kernel + agent + identities).joined(separator: "\n") + "\n"
    }

    private var kernel: [String] {
        let counters = activity.kernel
        return Self.counter("kernel_execs", counters.execs, "Programs executed.")
            + Self.counter("kernel_decisions", counters.decisions, "Complete decisions on who a process is.")
            + Self.counter("kernel_redirects", counters.redirects, "Connections sent to the proxy.")
            + Self.counter("kernel_refusals", counters.refusals, "Connections the kernel part refused.")
            + Self.counter("kernel_processes_lost", counters.processesLost, "Processes without a record: refused.")
            + Self.counter("kernel_listeners_lost", counters.listenersLost, "Listeners without a record: unreachable.")
            + Self.counter("kernel_decisions_lost", counters.decisionsLost, "Decisions not made or kept: refused.")
            + Self.counter("kernel_flows_lost", counters.flowsLost, "Redirected connections without a record: refused.")
            + Self.counter("kernel_unknown_places", counters.unknownPlaces, "Connections to where nobody is known.")
            + Self.counter("kernel_datagrams_refused", counters.datagramsRefused, "Datagrams that no egress lists.")
            + Self.counter("kernel_notices_lost", counters.noticesLost, "Notices for operators that found no room.")
            + Self.counter("kernel_events_lost", counters.eventsLost, "Events the agent was not told.")
    }

    private var agent: [String] {
        Self.gauge("policy_version", "\(status.version)", "Version of the policy in force.")
            + Self.gauge("policy_identities", "\(status.identities)", "Identities in the policy in force.")
            + Self.gauge("control_plane_connected", status.controlPlane == "connected" ? "1" : "0", "1: it is.")
            + Self.gauge("svids", "\(status.svids)", "SVIDs held for workloads.")
            + Self.gauge("connections", "\(status.connections)", "Live connections through the proxy.")
            + Self.gauge("networks", "\(status.networks)", "Network namespaces with the proxy in them.")
            + Self.gauge("audit_queued", "\(status.auditQueued)", "Audit events waiting to be sent.")
            + Self.counter("audit_lost", UInt64(status.auditLost), "Audit events that were given up.")
            + Self.metric(
                "refusals_total", "counter", "Connections, requests and datagrams refused, by cause.",
                activity.refusals.sorted { $0.key < $1.key }.map { ("{cause=\"\($0.key)\"}", "\($0.value)") })
            + Self.metric(
                "agent_cpu_seconds_total", "counter", "CPU time of the agent.", [("", "\(activity.cpuSeconds)")])
    }

    private var identities: [String] {
        family("workload_processes", "gauge", "Processes seen as this identity.") { "\($0.processes)" }
            + family("workload_outbound_connections", "gauge", "Live ones it opened.") { "\($0.outbound)" }
            + family("workload_inbound_connections", "gauge", "Live ones it serves.") { "\($0.inbound)" }
            + family("workload_received_bytes_total", "counter", "Handed to its processes.") {
                "\($0.bytesToApplication)"
            }
            + family("workload_sent_bytes_total", "counter", "Taken from its processes.") {
                "\($0.bytesFromApplication)"
            }
            + family("workload_refusals_total", "counter", "Connections and requests refused.") { "\($0.refusals)" }
    }

    private func family(
        _ name: String, _ type: String, _ help: String, _ value: (TopReport.Identity) -> String,
    ) -> [String] {
        Self.metric(
            name, type, help,
            activity.identities.map { ("{workload=\"\(Self.escaped($0.workloadID))\"}", value($0)) })
    }

    private static func counter(_ name: String, _ value: UInt64, _ help: String) -> [String] {
        metric(name + "_total", "counter", help, [("", "\(value)")])
    }

    private static func gauge(_ name: String, _ value: String, _ help: String) -> [String] {
        metric(name, "gauge", help, [("", value)])
    }

    private static func metric(
        _ name: String, _ type: String, _ help: String, _ samples: [(labels: String, value: String)],
    ) -> [String] {
        ["# HELP tidemark_\(name) \(help)", "# TYPE tidemark_\(name) \(type)"]
            + samples.map { "tidemark_\(name)\($0.labels) \($0.value)" }
    }

    /// By scalars: a line feed behind a carriage return, or a quote with an accent, is one too.
    private static func escaped(_ text: String) -> String {
        text.unicodeScalars.reduce(into: "") { escaped, scalar in
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\"": escaped += "\\\""
            case "\n": escaped += "\\n"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
    }
}
