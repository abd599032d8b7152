import ArgumentParser
import ControlPlaneAPI
import Foundation

struct JoinToken: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "join-token",
        abstract: "Let new agents in.",
        subcommands: [Create.self],
    )

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a token with which one agent can attest, once.",
            discussion: "It is shown this one time. Put it into the agent's joinTokenFile.",
        )

        @Option(help: "The agent group the agent will belong to.")
        var agentGroup: String

        @Option(help: "How long it can be used: 90s, 10m, 2h; at most 168h.")
        var lifetime: Lifetime = .standard

        @OptionGroup var output: OutputOption
        @OptionGroup var server: ServerOption

        func run() async throws {
            let answer = try await server.withClient { client async throws(ControlPlaneError) in
                try await client.joinToken(JoinTokenRequest(agentGroup: agentGroup, lifetime: lifetime.seconds))
            }
            try output.show(answer) { Page([answer.token]) }
            guard output.output == .table else { return }
            Console.tell("for one agent of group \(answer.agentGroup), until \(answer.expiresAt.formatted(.iso8601))")
        }
    }
}

/// `90s`, `10m`, `2h`, or seconds.
struct Lifetime: ExpressibleByArgument, CustomStringConvertible {
    let seconds: Int
    let description: String

    static let standard = Lifetime(seconds: 600, description: "10m")

    private init(seconds: Int, description: String) {
        self.seconds = seconds
        self.description = description
    }

    init?(argument: String) {
        let factors: [Character: Int] = ["s": 1, "m": 60, "h": 3600]
        let factor = argument.last.flatMap { factors[$0] }
        guard let count = Int(factor == nil ? argument : String(argument.dropLast())), (1...604_800).contains(count)
        else { return nil }
        let seconds = count * (factor ?? 1)
        guard seconds <= 604_800 else { return nil }
        self.init(seconds: seconds, description: argument)
    }

    var defaultValueDescription: String { description }
}
