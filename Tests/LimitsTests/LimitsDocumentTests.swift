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

    @Test func `the document has every map of the kernel part that has many entries, and its size`() throws {
        let rows = try Self.rows(/^\| map `(\w+)` \| (\d+) \|/)
        let maps = try Self.maps()
        #expect(maps.count > 9)
        #expect(maps.filter { $0.value >= 1024 && rows[$0.key] == nil }.keys.sorted() == [], "add rows for these")
        for (name, row) in rows { #expect(Int(row) == maps[name], "\(name)") }
        #expect(maps["destinations"] == Limits.Endpoints.inAll + Limits.Endpoints.ofHost)
        #expect(maps["managed_networks"] == 2 * Limits.Manifests.managedNetworks)
        #expect(maps["selector_slots"] == 2 * Limits.Selectors.ofGroup)
        #expect(maps["listeners"] == Limits.Endpoints.ofHost)
    }

    @Test func `what is bounded twice, here and by the kernel part, is bounded alike`() throws {
        let defines = try Self.defines()
        let pairs = [
            ("SELECTOR_SLOTS", Limits.Selectors.ofGroup), ("SELECTOR_ARGUMENTS", Limits.Selectors.arguments),
            ("CREDENTIALS_GROUPS", Limits.Selectors.additionalGroups), ("EGRESS_PORTS", Limits.Manifests.portRanges),
            ("PROCESS_ARGV_LEN", Limits.Selectors.argvBytes), ("PROCESS_NAME_LEN", Limits.Selectors.nameBytes + 1),
            ("PROCESS_PATH_LEN", Limits.Selectors.scriptNameBytes + 1),
            ("SELECTOR_TEXT_LEN", Limits.Selectors.commandLineBytes),
        ]
        for (name, value) in pairs { #expect(defines[name] == value, "\(name)") }
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
    private static func rows(
        _ row: Regex<(Substring, Substring, Substring)> = /^\| `([\w.]+)` \| ([^|]+) \|/,
    ) throws -> [String: String] {
        let text = try String(contentsOf: root.appending(path: "docs/limits.md"), encoding: .utf8)
        return text.split(separator: "\n").reduce(into: [:]) { rows, line in
            guard let found = line.firstMatch(of: row) else { return }
            rows[String(found.1)] = String(found.2)
        }
    }

    /// `#define NAME 123`.
    private static func defines() throws -> [String: Int] {
        let folders = ["bpf", "bpf/abi"].map { root.appending(path: $0) }
        let files = try folders.flatMap {
            try FileManager.default.contentsOfDirectory(at: $0, includingPropertiesForKeys: nil)
        }
        return try files.filter { $0.pathExtension == "h" }.reduce(into: [:]) { found, file in
            for match in try String(contentsOf: file, encoding: .utf8).matches(of: /#define (\w+) (\d+)\b/) {
                found[String(match.1)] = Int(match.2)
            }
        }
    }

    /// `struct { … __uint(max_entries, 2 * SLOTS); … } name SEC(".maps")`: those that say how many.
    private static func maps() throws -> [String: Int] {
        let defines = try defines()
        let header = try String(contentsOf: root.appending(path: "bpf/maps.h"), encoding: .utf8)
        return header.components(separatedBy: "struct {").dropFirst().reduce(into: [:]) { maps, text in
            guard let name = text.firstMatch(of: /\} (\w+) SEC\(".maps"\)/)?.1,
                let entries = text.firstMatch(of: /max_entries, ([^)]+)\)/)?.1
            else { return }
            let factors = entries.split(separator: " * ").map { Int($0) ?? defines[String($0)] ?? 0 }
            maps[String(name)] = factors.reduce(1, *)
        }
    }
}
