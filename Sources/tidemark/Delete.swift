import ArgumentParser
import ControlPlaneAPI

struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Remove a document from the registry, or an agent.",
        discussion: """
            Deleting an identity cuts its live connections, and its tokens are inactive at once. Deleting an agent ends its \
            streams, and its credential is worth nothing, nor are SVIDs of IDs that no other agent asked for; it may attest \
            again with a new join token. If anybody may have taken it over, ban it.
            """,
    )

    @Argument(help: "workloadidentity, protectedresource or agent.")
    var kind: Kind

    @Argument(help: "metadata.name; of an agent its name, or GROUP/NAME.")
    var name: String

    @OptionGroup var wait: WaitOption
    @OptionGroup var output: OutputOption
    @OptionGroup var server: ServerOption

    enum Kind: ExpressibleByArgument {
        case manifest(ManifestKind)
        case agent

        init?(argument: String) {
            if ["agent", "agents"].contains(argument.lowercased()) {
                self = .agent
            } else if let kind = ManifestKind(argument: argument) {
                self = .manifest(kind)
            } else {
                return nil
            }
        }

        static let allValueStrings = ManifestKind.allValueStrings + ["agent"]
    }

    func validate() throws {
        if case .agent = kind, AgentName(argument: name) == nil {
            throw ValidationError("\"\(name)\" is no NAME and no GROUP/NAME of an agent")
        }
    }

    func run() async throws {
        switch kind {
        case .manifest(let kind): try await delete(kind)
        case .agent:
            guard let agent = AgentName(argument: name) else { return }
            try await AgentChange.make(agent, "deleted", output, server) {
                client, group, name throws(ControlPlaneError) in
                try await client.deleteAgent(group: group, name: name)
            }
        }
    }

    private func delete(_ kind: ManifestKind) async throws {
        let answer = try await server.withClient { client async throws(ControlPlaneError) in
            try await client.delete(kind: kind.name, name: name)
        }
        try output.show(answer) { Page(["\(kind.name.lowercased())/\(name) deleted"]) }
        // Peers of a deleted identity live in every group.
        try await wait.untilEnforced(answer.version, groups: nil, server: server)
    }
}
