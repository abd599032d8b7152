import ArgumentParser
import Foundation

/// The operator's program.
@main struct Tidemark: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tidemark",
        abstract: "Gives every Linux process a cryptographic identity without changing the process.",
        discussion: """
            Talks to tidemark-server, and for explain, top and status --agent to tidemarkd, over their Unix sockets on this host.

            Exit codes: 0 done; 1 refused or failed; 64 wrong usage; 69 no answer from the socket.
            """,
        version: "0.1.0",
        subcommands: [
            Apply.self, Get.self, Delete.self, Explain.self, Top.self, Audit.self, JoinToken.self, Status.self,
        ],
    )

    static func main() async {
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let failure as Failure {
            failure.tell()
            exit(withError: ExitCode(failure.exitCode))
        } catch {
            exit(withError: error)
        }
    }
}
