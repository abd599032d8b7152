import ArgumentParser
import ControlPlaneAPI

struct Top: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Watch this host's identities: processes, connections, bytes, refusals.",
        discussion: """
            In a terminal the view is drawn anew each interval until q or Ctrl-C. Elsewhere, and with --once, it is plain \
            text; with -o json one object a line.
            """,
    )

    @Option(help: "Seconds between two looks, from 0.1 to 3600.")
    var interval = 1.0

    @Flag(help: "Show one interval and end.")
    var once = false

    @OptionGroup var output: OutputOption
    @OptionGroup var agent: AgentOption

    func validate() throws {
        guard (0.1...3600).contains(interval) else { throw ValidationError("--interval takes 0.1 to 3600 seconds.") }
    }

    func run() async throws {
        let terminal = once || output.output != .table ? nil : Terminal.interactive()
        defer { terminal?.restore() }
        try await agent.withClient { client async throws(ControlPlaneError) in
            try await watch(client, terminal)
        }
    }

    private func watch(_ client: LocalAgentClient, _ terminal: Terminal?) async throws(ControlPlaneError) {
        var last = try await client.top()
        terminal?.draw(TopPage(TopFrame(from: nil, to: last), size: terminal?.size).page)
        while await !ended(terminal) {
            let next = try await client.top()
            show(TopFrame(from: last, to: next), terminal)
            if once { return }
            last = next
        }
    }

    /// Waits for the next look.
    private func ended(_ terminal: Terminal?) async -> Bool {
        guard let terminal else { return (try? await Task.sleep(for: .seconds(interval))) == nil }
        return await terminal.quits(within: interval)
    }

    private func show(_ frame: TopFrame, _ terminal: Terminal?) {
        if let terminal { return terminal.draw(TopPage(frame, size: terminal.size).page) }
        switch output.output {
        case .table: Console.show(TopPage(frame, size: nil).page + Page(once ? [] : [""]))
        case .json: Console.show((try? OutputOption.json(frame, pretty: once)) ?? Document(json: ""))
        case .yaml: Console.show((try? OutputOption.yaml(frame, isOneOfMany: !once)) ?? Document(yaml: ""))
        }
    }
}
