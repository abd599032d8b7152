import ArgumentParser
import ControlPlaneAPI

struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show how the control plane and its agents are, or with --agent the agent of this host.",
    )

    @Flag(help: "Ask the agent of this host instead of the control plane.")
    var agent = false

    @OptionGroup var output: OutputOption
    @OptionGroup var server: ServerOption
    @OptionGroup var local: AgentOption

    func run() async throws {
        guard !agent else {
            let status = try await local.withClient { client async throws(ControlPlaneError) in
                try await client.status()
            }
            return try output.show(status) { Self.page(status) }
        }
        let status = try await server.withClient { client async throws(ControlPlaneError) in try await client.status() }
        try output.show(status) { Self.page(status) }
    }

    private static func page(_ status: ControlPlaneStatus) -> Page {
        let head = Page([
            "trust domain  \(status.trustDomain)", "version       \(status.version)", "OAuth issuer  \(status.issuer)",
        ])
        guard !status.agents.isEmpty else {
            return Page(sections: [head, Page(["no agent yet; tidemark join-token create --agent-group GROUP"])])
        }
        var agents = Table("AGENT", "GROUP", "CONNECTED", "ENFORCES", "ERROR")
        var endpoints = Table("WORKLOAD", "LISTENS ON")
        for agent in status.agents {
            agents.add(
                agent.spiffeID, agent.agentGroup, agent.connected ? "yes" : "no", "\(agent.acknowledgedVersion)",
                agent.evicted ?? agent.error ?? "-",
            )
            for endpoint in agent.endpoints {
                let address = endpoint.address.contains(":") ? "[\(endpoint.address)]" : endpoint.address
                endpoints.add("\(endpoint.workload)", "\(address):\(endpoint.port)")
            }
        }
        let listening = status.agents.contains { !$0.endpoints.isEmpty } ? endpoints.page : Page()
        return Page(sections: [head, agents.page, listening])
    }

    private static func page(_ status: AgentSelfStatus) -> Page {
        let kernel = status.kernel
        return Page(
            facts: [
                ("agent", status.spiffeID),
                ("enforces", "version \(status.version), \(status.identities) identities"),
                ("control plane", status.controlPlane),
                ("SVIDs", "\(status.svids)"),
                ("connections", "\(status.connections), in \(status.networks) network namespaces"),
                ("audit", "\(status.auditQueued) waiting to be sent, \(status.auditLost) lost"),
                (
                    "kernel part",
                    "\(kernel.execs) execs, \(kernel.decisions) decisions, \(kernel.redirects) redirects, "
                        + "\(kernel.refusals) refusals"
                ),
                ("lost", Self.losses(kernel)),
            ], width: 15)
    }

    /// Any is a table that is full, or a reader that is too slow.
    private static func losses(_ kernel: KernelCounters) -> String {
        let lost = kernel.losses.filter { $0.count > 0 }
        return lost.isEmpty
            ? "nothing"
            : lost.map { "\($0.name) \($0.count)" }.joined(separator: ", ") + "; tidemarkd's log says what to do"
    }
}
