import ArgumentParser
import ControlPlaneAPI
import Foundation
import SPIFFE
import Workloads

struct Audit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what happened, or verify that nobody changed the record.",
        subcommands: [List.self, Head.self, Verify.self],
        defaultSubcommand: List.self,
    )

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the audit, oldest first.",
            discussion: "With -o json one object a line.",
        )

        @Flag(help: "Go on with what happens from now on, until interrupted.")
        var follow = false

        @Option(help: "Only records that name this SPIFFE ID.")
        var spiffeId: String?

        @Option(help: "Only records after this sequence number.")
        var after: Int64 = 0

        @OptionGroup var output: OutputOption
        @OptionGroup var server: ServerOption

        func validate() throws { _ = try identity() }

        func run() async throws {
            let id = try identity()
            var last = after
            if output.output == .table { Console.show(Page([AuditLine.header])) }
            while true {
                let wait = follow ? OperatorClient.maximumWait : 0
                let records = try await server.withClient { client async throws(ControlPlaneError) in
                    try await client.audit(after: last, spiffeID: id, wait: wait)
                }
                for record in records { try show(record) }
                last = records.last?.sequence ?? last
                guard follow || !records.isEmpty else { return }
            }
        }

        private func show(_ record: AuditRecord) throws {
            switch output.output {
            case .table: Console.show(Page([AuditLine(record).text]))
            case .json: Console.show(try OutputOption.json(record, pretty: false))
            case .yaml: Console.show(try OutputOption.yaml(record, isOneOfMany: true))
            }
        }

        private func identity() throws -> SPIFFEID? {
            guard let spiffeId else { return nil }
            do { return try SPIFFEID(spiffeId) } catch { throw ValidationError("--spiffe-id: \(error).") }
        }
    }

    struct Head: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print where the audit ends now, to be kept elsewhere.",
            discussion:
                "Later, tidemark audit verify --expect HEAD:COUNT tells whether everything before is still there.",
        )

        @OptionGroup var output: OutputOption
        @OptionGroup var server: ServerOption

        func run() async throws {
            let head = try await server.withClient { client async throws(ControlPlaneError) in
                try await client.auditHead()
            }
            try output.show(head) { Page(["\(head.head):\(head.count)"]) }
        }
    }

    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Check the hash of every record and the chain they form.",
            discussion: "Exit code 1 where a record was changed, removed or added behind the server's back.",
        )

        @Option(help: "A head that was kept: HEAD or HEAD:COUNT, as tidemark audit head printed it.")
        var expect: String?

        @OptionGroup var output: OutputOption
        @OptionGroup var server: ServerOption

        func run() async throws {
            let expected = expect
            let found = try await server.withClient { client async throws(ControlPlaneError) in
                try await client.verifyAudit(expecting: expected)
            }
            try output.show(found) {
                Page([
                    found.intact ? "\(found.records) records, intact" : "\(found.records) records fit, then it breaks"
                ])
            }
            guard found.intact else { throw Failure.auditBroken(found) }
        }
    }
}

/// One record on one line.
struct AuditLine {
    static let header = "   SEQ  TIME                      TYPE                   WHAT"

    let text: String

    init(_ record: AuditRecord) {
        let number = String(record.sequence)
        let time = WireCoding.text(record.time)
        let what = Self.leading.compactMap { key in record.details[key].map { "\(key)=\(Self.text($0))" } }
        let rest = record.details.keys.sorted().filter { !Self.leading.contains($0) }
            .compactMap { key in record.details[key].map { "\(Self.word(key))=\(Self.text($0))" } }
        text =
            Self.padded(number, 6, left: true) + "  " + Self.padded(time, 24) + "  " + Self.padded(record.type, 21)
            + "  "
            + (what + rest).joined(separator: " ")
    }

    /// Shown first, in this order.
    private static let leading = ["decision", "spiffeID", "peer", "process"]

    private static func padded(_ text: String, _ width: Int, left: Bool = false) -> String {
        let fill = String(repeating: " ", count: max(0, width - text.count))
        return left ? fill + text : text + fill
    }

    /// A text that could be taken for what follows it stands in quotes.
    private static func word(_ text: String) -> String {
        text.isEmpty || text.hasAny(of: " \"=,[]{}") ? text.quoted : text
    }

    private static func text(_ value: AuditValue) -> String {
        switch value {
        case .string(let text): word(text)
        case .integer(let number): "\(number)"
        case .boolean(let truth): "\(truth)"
        case .list(let values): "[" + values.map(text).joined(separator: ",") + "]"
        case .object(let members):
            "{"
                + members.keys.sorted().compactMap { key in members[key].map { "\(word(key))=\(text($0))" } }.joined(
                    separator: " ") + "}"
        }
    }
}
