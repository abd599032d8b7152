import ArgumentParser
import ControlPlaneAPI

struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Remove a document from the registry.",
        discussion: "Deleting an identity cuts its live connections, and its tokens are inactive at once.",
    )

    @Argument(help: "The kind: workloadidentity or protectedresource.")
    var kind: ManifestKind

    @Argument(help: "metadata.name.")
    var name: String

    @OptionGroup var wait: WaitOption
    @OptionGroup var output: OutputOption
    @OptionGroup var server: ServerOption

    func run() async throws {
        let answer = try await server.withClient { client async throws(ControlPlaneError) in
            try await client.delete(kind: kind.name, name: name)
        }
        try output.show(answer) { "\(kind.name.lowercased())/\(name) deleted" }
        // Peers of a deleted identity live in every group.
        try await wait.untilEnforced(answer.version, groups: nil, server: server)
    }
}
