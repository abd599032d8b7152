import ArgumentParser
import ControlPlaneAPI
import NIOCore
import Workloads

struct Explain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Tell which identity a process of this host has, or would have, and why.",
        discussion: """
            One of --pid, --exec, --connection and --draft. Shows the facts the kernel recorded, each key of the deciding \
            selector, and where none matches the nearest ones. Nothing is executed or enforced.

            Everything behind --exec is the command; options of tidemark come before it.
            """,
    )

    @Option(help: "The process, by its pid on this host.")
    var pid: Int32?

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "A connection: both ends as address:port or [v6-address]:port, as one process sees them.",
            valueName: "end"),
    )
    var connection: [String] = []

    @Option(help: "A manifest file to try on all live processes; - reads standard input.")
    var draft: String?

    @OptionGroup var caller: CallerOption
    @OptionGroup var output: OutputOption
    @OptionGroup var agent: AgentOption

    @Option(
        parsing: .remaining,
        help: ArgumentHelp("A command that is not executed: what would it be?", valueName: "command"))
    var exec: [String] = []

    func validate() throws {
        let questions = [pid != nil, !exec.isEmpty, !connection.isEmpty, draft != nil].filter { $0 }
        guard questions.count == 1 else {
            throw ValidationError("Give one of --pid N, --exec COMMAND…, --connection SRC DST and --draft FILE.")
        }
        if let pid, pid <= 0 { throw ValidationError("--pid takes a number above 0.") }
        if !connection.isEmpty { try validateConnection() }
        if exec.isEmpty, caller.isGiven { throw ValidationError("--uid, --gid, --cwd and --cgroup go with --exec.") }
        try caller.check()
    }

    private func validateConnection() throws {
        guard connection.count == 2 else {
            throw ValidationError("--connection takes two ends, SRC and DST; found \(connection.count).")
        }
        for end in connection where !SocketName.isOne(end) {
            throw ValidationError("--connection takes address:port or [v6-address]:port; found \"\(end)\".")
        }
    }

    func run() async throws {
        if let pid {
            try show(
                await agent.withClient { client async throws(ControlPlaneError) in try await client.explain(pid: pid) })
        } else if let draft {
            try await compare(draft)
        } else if !exec.isEmpty {
            let question = caller.question(exec)
            try show(
                await agent.withClient { client async throws(ControlPlaneError) in try await client.explain(question) })
        } else {
            let found = try await agent.withClient { client async throws(ControlPlaneError) in
                try await client.explainConnection(from: connection[0], to: connection[1])
            }
            try output.show(found) { ConnectionPage(found).page }
        }
    }

    private func show(_ explanation: Explanation) throws {
        try output.show(explanation) { ExplanationPage(explanation).page }
    }

    private func compare(_ file: String) async throws {
        let yaml = try ManifestFile(file).read()
        let manifests: [Manifest]
        do throws(ManifestError) {
            manifests = try Manifest.decode(yaml: yaml, file: file == "-" ? "standard input" : file)
        } catch { throw Failure.invalid(error) }
        let report = try await agent.withClient { client async throws(ControlPlaneError) in
            try await client.compare(DraftQuestion(manifests))
        }
        try output.show(report) { DraftPage(report).page }
        for document in report.documents {
            for warning in document.warnings { Console.tell("warning: \(document.kind) \(document.name): \(warning)") }
        }
        if !report.conflicts.isEmpty { throw Failure.draftConflicts(report.conflicts) }
    }
}

/// `address:port` or `[v6-address]:port`.
enum SocketName {
    static func isOne(_ text: String) -> Bool {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return false
        }
        let host = text[..<colon]
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        guard isBracketed == host.contains(":") else { return false }
        let address = String(isBracketed ? host.dropFirst().dropLast() : host)
        return (try? SocketAddress(ipAddress: address, port: Int(port))) != nil
    }
}
