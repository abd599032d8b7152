import ArgumentParser
import ControlPlaneAPI
import Foundation
import Yams

/// `-o`: how a verb shows its result. docs/cli.md has the JSON of each verb.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case table, json, yaml
}

struct OutputOption: ParsableArguments {
    @Option(name: [.short, .customLong("output")], help: "table, json or yaml.")
    var output: OutputFormat = .table

    func show(_ value: some Encodable, table: () -> String) throws {
        switch output {
        case .table: Console.show(table())
        case .json: Console.show(try Self.json(value, pretty: true))
        case .yaml: Console.show(try Self.yaml(value))
        }
    }

    static func json(_ value: some Encodable, pretty: Bool) throws -> String {
        let encoder = WireCoding.encoder()
        if pretty { encoder.outputFormatting.insert(.prettyPrinted) }
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    /// The same members as in JSON.
    static func yaml(_ value: some Encodable) throws -> String {
        let object = try Yams.load(yaml: json(value, pretty: false))
        return try Yams.dump(object: object, allowUnicode: true, sortKeys: true)
    }
}

/// Columns as wide as their widest cell.
struct Table {
    private var rows: [[String]]

    init(_ header: String...) { rows = [header] }

    mutating func add(_ cells: String...) { rows.append(cells) }

    var text: String {
        let columns = rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in
            rows.map { $0.indices.contains(column) ? $0[column].count : 0 }.max() ?? 0
        }
        return rows.map { row in
            let cells = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
            return Self.trimmed(cells.joined(separator: "  "))
        }.joined(separator: "\n")
    }

    private static func trimmed(_ line: String) -> String {
        String(line.reversed().drop { $0 == " " }.reversed())
    }
}
