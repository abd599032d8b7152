import ArgumentParser
import ControlPlaneAPI

@main
struct TidemarkServer: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tidemark-server",
        abstract: "The control plane of one trust domain: manifests, agents, certificates, tokens, audit.",
        subcommands: [Run.self, Found.self],
        defaultSubcommand: Run.self,
    )

    static func main() async {
        StandardStream.prepare()
        await main(nil)
    }
}
