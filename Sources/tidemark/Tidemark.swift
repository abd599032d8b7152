import ArgumentParser
import ControlPlaneAPI
import Foundation

/// The operator's program.
@main struct Tidemark: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tidemark",
        abstract: "Gives every Linux process a cryptographic identity without changing the process.",
        discussion: """
            Talks to tidemark-server, and for explain, top and status --agent to tidemarkd, over their Unix sockets on this host.

            Exit codes: 0 done; 1 refused or failed; 64 wrong usage; 69 no answer from the socket; 74 standard output cannot be
            written, 141 its reader is gone.
            """,
        version: "0.1.0",
        subcommands: [
            Apply.self, Get.self, Delete.self, Explain.self, Top.self, Audit.self, JoinToken.self, Ban.self,
            Unban.self, Status.self,
        ],
    )

    static func main() async {
        StandardStream.prepare()
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
            leave(error)
        }
    }

    /// What the command line asked for, such as help, or what is wrong with it: words of it may stand in there.
    private static func leave(_ error: any Error) -> Never {
        let lines = fullMessage(for: error).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        let code = exitCode(for: error)
        if code.isSuccess {
            Console.show(Page(lines))
        } else {
            for line in lines where lines != [""] { Console.tell(line) }
        }
        exit(withError: code)
    }
}
