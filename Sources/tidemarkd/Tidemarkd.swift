import ArgumentParser
import ControlPlaneAPI

@main
struct Tidemarkd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tidemarkd",
        abstract: "The agent of one host: gives its processes their identities and carries their traffic.",
        subcommands: [Run.self, Uninstall.self],
        defaultSubcommand: Run.self,
    )

    static func main() async {
        StandardStream.prepare()
        await main(nil)
    }
}
