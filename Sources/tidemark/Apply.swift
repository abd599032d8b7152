import ArgumentParser
import ControlPlaneAPI
import Foundation
import Workloads

struct Apply: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Apply a manifest file: all of it, or none of it.",
        discussion: "Prints for each document whether it was created, changed or unchanged, and warnings.",
    )

    @Option(name: [.short, .long], help: "The manifest file; - reads standard input.")
    var file: String

    @OptionGroup var wait: WaitOption
    @OptionGroup var output: OutputOption
    @OptionGroup var server: ServerOption

    func run() async throws {
        let yaml = try ManifestFile(file).read()
        let answer = try await server.withClient { client async throws(ControlPlaneError) in
            try await client.apply(ApplyRequest(file: file, yaml: yaml))
        }
        try output.show(answer) { Self.page(answer) }
        for document in answer.documents {
            for warning in document.warnings { Console.tell("warning: \(document.kind) \(document.name): \(warning)") }
            for remark in document.remarks { Console.tell("remark: \(document.kind) \(document.name): \(remark)") }
        }
        try await wait.untilEnforced(answer.version, groups: Self.groups(in: yaml, file: file), server: server)
    }

    /// nil, all agents: a resource concerns every group.
    private static func groups(in yaml: String, file: String) -> Set<String>? {
        var groups: Set<String> = []
        for manifest in (try? Manifest.decode(yaml: yaml, file: file)) ?? [] {
            guard case .workloadIdentity(let identity) = manifest else { return nil }
            groups.insert(identity.agentGroup)
        }
        return groups
    }

    private static func page(_ answer: ApplyResponse) -> Page {
        Page(answer.documents.map { "\($0.kind.lowercased())/\($0.name) \($0.result.rawValue)" })
    }
}
