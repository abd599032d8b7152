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

    func show(_ value: some Encodable, page: () -> Page) throws {
        switch output {
        case .table: Console.show(page())
        case .json: Console.show(try Self.json(value, pretty: true))
        case .yaml: Console.show(try Self.yaml(value))
        }
    }

    static func json(_ value: some Encodable, pretty: Bool) throws -> Document {
        let encoder = WireCoding.encoder()
        if pretty { encoder.outputFormatting.insert(.prettyPrinted) }
        return Document(json: String(decoding: try encoder.encode(value), as: UTF8.self))
    }

    /// The same members as in JSON.
    ///
    /// - Parameter isOneOfMany: begins with `---`.
    static func yaml(_ value: some Encodable, isOneOfMany: Bool = false) throws -> Document {
        let object = try Yams.load(yaml: json(value, pretty: false).text)
        return Document(yaml: try Yams.dump(object: object, sortKeys: true), isOneOfMany: isOneOfMany)
    }
}
