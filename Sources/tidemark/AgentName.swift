import ArgumentParser
import ControlPlaneAPI

/// An agent as operators type it: its name, or `GROUP/NAME` where several groups have one of that name.
struct AgentName: ExpressibleByArgument {
    let group: String?
    let name: String

    init?(argument: String) {
        let parts = argument.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count <= 2, parts.allSatisfy({ !$0.isEmpty }) else { return nil }
        name = parts[parts.count - 1]
        group = parts.count == 2 ? parts[0] : nil
    }

    /// Looks the group up where it was left out.
    func resolved(by client: OperatorClient) async throws(ControlPlaneError) -> (group: String, name: String) {
        if let group { return (group, name) }
        let status = try await client.status()
        let groups = status.agents.filter { $0.spiffeID.hasSuffix("/\(name)") }.map(\.agentGroup)
        guard groups.count == 1 else {
            let found = groups.isEmpty ? "no agent has that name" : "several groups have one: \(groups.sorted())"
            throw .problem(
                Problem(
                    error: "agent_not_found", message: "\"\(name)\": \(found); write GROUP/NAME, see tidemark status"))
        }
        return (groups[0], name)
    }
}
