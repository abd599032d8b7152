import Foundation
import Testing

@testable import Limits

@Suite("docs/limits.md")
struct LimitsDocumentTests {
    private static let root = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    @Test func `every limit that is declared is in the list of all`() throws {
        let declared = try Self.declared()
        let listed = Set(Limits.all.map(\.name))
        #expect(declared.count > 9)
        #expect(declared.subtracting(listed).sorted() == [], "add these to Sources/Limits/Limits+all.swift")
        #expect(listed.subtracting(declared).sorted() == [], "these are listed, and declared nowhere")
        #expect(listed.count == Limits.all.count, "one is listed twice")
    }

    @Test func `the document has every limit, with its value, and no other`() throws {
        let rows = try Self.rows()
        let values = Dictionary(Limits.all.map { ($0.name, $0.value.description) }) { first, _ in first }
        #expect(values.keys.filter { rows[$0] == nil }.sorted() == [], "add a row for these to docs/limits.md")
        #expect(rows.keys.filter { values[$0] == nil }.sorted() == [], "docs/limits.md has rows of no limit")
        for (name, row) in rows where values[name] != nil { #expect(row == values[name], "\(name)") }
    }

    @Test func `values are told in the largest unit that is whole`() {
        let values: [Limit.Value] = [
            .count(4096), .bytes(16 << 10), .bytes(1 << 20), .bytes(200), .bytes(0), .time(.seconds(5)),
            .time(.milliseconds(1500)), .time(.seconds(120)), .time(.seconds(7200)), .time(.zero), .share(10),
        ]
        let texts = ["4096", "16 KiB", "1 MiB", "200 B", "0 B", "5 s", "1500 ms", "2 min", "2 h", "0 ms", "one in 10"]
        #expect(values.map(\.description) == texts)
    }

    /// `static let`s below `enum Limits`, as the formatter lays them out: four spaces a level.
    private static func declared() throws -> Set<String> {
        let folder = root.appending(path: "Sources/Limits")
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        return try files.reduce(into: []) { found, file in
            found.formUnion(names(in: try String(contentsOf: file, encoding: .utf8)))
        }
    }

    private static func names(in source: String) -> Set<String> {
        var found: Set<String> = []
        var types: [String] = []
        for line in source.split(separator: "\n") {
            let level = line.prefix { $0 == " " }.count / 4
            if let name = line.firstMatch(of: /\b(?:enum|extension|struct) ([\w.]+)/)?.1 {
                types = types.prefix(level) + [String(name)]
            } else if let name = line.firstMatch(of: /^ *package static let (\w+)/)?.1,
                types.first?.hasPrefix("Limits") == true, name != "all"
            {
                let path = types.prefix(level).joined(separator: ".").split(separator: ".").dropFirst() + [name]
                found.insert(path.joined(separator: "."))
            }
        }
        return found
    }

    /// `| `name` | value | …`
    private static func rows() throws -> [String: String] {
        let text = try String(contentsOf: root.appending(path: "docs/limits.md"), encoding: .utf8)
        return text.split(separator: "\n").reduce(into: [:]) { rows, line in
            guard let row = line.firstMatch(of: /^\| `([\w.]+)` \| ([^|]+) \|/) else { return }
            rows[String(row.1)] = String(row.2)
        }
    }
}
