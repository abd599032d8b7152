import ArgumentParser
import ControlPlaneAPI

struct Explain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Tell which identity a process of this host has, and why.",
        discussion:
            "Shows the facts the kernel recorded, each key of the deciding selector, and where none matches the nearest ones.",
    )

    @Option(help: "The process, by its pid on this host.")
    var pid: Int32

    @OptionGroup var output: OutputOption
    @OptionGroup var agent: AgentOption

    func validate() throws {
        guard pid > 0 else { throw ValidationError("--pid takes a number above 0.") }
    }

    func run() async throws {
        let explanation = try await agent.withClient { client async throws(ControlPlaneError) in
            try await client.explain(pid: pid)
        }
        try output.show(explanation) { ExplanationPage(explanation).text }
    }
}
