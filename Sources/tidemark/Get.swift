import ArgumentParser
import ControlPlaneAPI
import Foundation

struct Get: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what is in the registry.",
        discussion: "With -o yaml the documents themselves, ready for apply -f.",
    )

    @Argument(help: "The kind: workloadidentity or protectedresource; all kinds where left out.")
    var kind: ManifestKind?

    @Argument(help: "metadata.name; all where left out.")
    var name: String?

    @OptionGroup var output: OutputOption
    @OptionGroup var server: ServerOption

    func run() async throws {
        let found = try await server.withClient { client async throws(ControlPlaneError) in
            try await client.get(kind: kind?.name, name: name)
        }
        guard name == nil || !found.isEmpty else { throw Failure.notFound(kind: kind?.name, name: name) }
        guard output.output != .yaml else {
            return Console.show(Document(yaml: found.map(\.yaml).joined(separator: "---\n")))
        }
        try output.show(found) { Self.page(found) }
        for manifest in found {
            for warning in manifest.warnings { Console.tell("warning: \(manifest.kind) \(manifest.name): \(warning)") }
        }
    }

    private static func page(_ manifests: [StoredManifest]) -> Page {
        guard !manifests.isEmpty else { return Page(["nothing applied yet; tidemark apply -f FILE"]) }
        var table = Table("KIND", "NAME", "SPIFFE ID", "GENERATION", "UPDATED")
        for manifest in manifests {
            table.add(
                manifest.kind, manifest.name, manifest.spiffeID ?? "-", "\(manifest.generation)",
                manifest.updatedAt.formatted(.iso8601),
            )
        }
        return table.page
    }
}
