import ArgumentParser
import ControlPlaneAPI

/// `tidemark ban agent NAME`, and its way back.
struct Ban: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Keep an agent out, also with a new join token.",
        discussion: """
            Its streams end at once, and so do all SVIDs of the workloads that it asked for: its peers refuse them, and cut \
            their connections. Where others have SVIDs of the same IDs their agents get new ones by themselves.
            """,
        subcommands: [BanAgent.self],
    )

    struct BanAgent: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "agent", abstract: "Keep this agent out.")

        @Argument(help: "The agent's name, or GROUP/NAME.")
        var agent: AgentName

        @OptionGroup var output: OutputOption
        @OptionGroup var server: ServerOption

        func run() async throws {
            try await AgentChange.make(agent, "banned", output, server) {
                client, group, name throws(ControlPlaneError) in
                try await client.banAgent(group: group, name: name)
            }
        }
    }
}

struct Unban: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Let an agent in again that was banned, with a new join token.",
        subcommands: [UnbanAgent.self],
    )

    struct UnbanAgent: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "agent", abstract: "Let this agent in again.")

        @Argument(help: "The agent's name, or GROUP/NAME.")
        var agent: AgentName

        @OptionGroup var output: OutputOption
        @OptionGroup var server: ServerOption

        func run() async throws {
            try await AgentChange.make(agent, "may attest again", output, server) {
                client, group, name throws(ControlPlaneError) in
                try await client.unbanAgent(group: group, name: name)
            }
        }
    }
}

/// What the commands about one agent have in common.
enum AgentChange {
    static func make(
        _ agent: AgentName, _ outcome: String, _ output: OutputOption, _ server: ServerOption,
        _ change: @Sendable (OperatorClient, String, String) async throws(ControlPlaneError) -> AgentChangeResponse,
    ) async throws {
        let answer = try await server.withClient { client async throws(ControlPlaneError) in
            let (group, name) = try await agent.resolved(by: client)
            return try await change(client, group, name)
        }
        try output.show(answer) {
            let withdrawn = answer.withdrawn > 0 ? ", and SVIDs of \(answer.withdrawn) workload IDs withdrawn" : ""
            return Page(["\(answer.spiffeID) \(outcome)\(withdrawn)"])
        }
    }
}
