import ArgumentParser
import ControlPlane
import ControlPlaneAPI
import Foundation

/// Founds the trust domain without serving it, so that `bundle.pem` can be carried to the agents' hosts beforehand.
struct Found: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Create keys and database, print where the public bundle is, and stop.",
        discussion: ExitCodes.text,
    )

    @OptionGroup var options: ConfigurationOptions

    func run() throws {
        umask(0o077)
        let configuration = try options.configuration(options.file())
        do {
            let state = try ControlPlaneState(configuration: configuration)
            try state.store.close()
            try StandardStream.output.write(configuration.dataDirectory.appending(path: "bundle.pem").path + "\n")
        } catch {
            StandardStream.error.tell("tidemark-server: \(error)")
            throw ExitCode(1)
        }
    }
}
