import Workloads

/// Lines for a reader's eyes. Each is one line, whatever strangers wrote into it: see ``Swift/StringProtocol/visible``.
struct Page: Equatable {
    private(set) var lines: [String] = []

    init(_ lines: [String] = []) { self.lines = lines.map(\.visible) }

    /// Those that are not empty, with an empty line between them.
    init(sections: [Page]) {
        lines = Array(sections.filter { !$0.lines.isEmpty }.map(\.lines).joined(separator: [""]))
    }

    static func + (first: Page, second: Page) -> Page {
        var both = first
        both.lines += second.lines
        return both
    }

    /// `name        value`, for each that has a value.
    init(facts: [(name: String, value: String?)], width: Int = 12) {
        self.init(
            facts.compactMap { name, value in
                value.map { name + String(repeating: " ", count: max(0, width - name.count)) + $0 }
            })
    }

    var text: String { lines.joined(separator: "\n") }
}

/// Columns as wide as their widest cell.
struct Table {
    private var rows: [[String]]

    init(_ header: String...) { rows = [header] }

    mutating func add(_ cells: String...) { rows.append(cells.map(\.visible)) }

    var page: Page {
        let columns = rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in
            rows.map { $0.indices.contains(column) ? $0[column].count : 0 }.max() ?? 0
        }
        return Page(
            rows.map { row in
                let cells = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
                return Self.trimmed(cells.joined(separator: "  "))
            })
    }

    private static func trimmed(_ line: String) -> String {
        String(line.reversed().drop { $0 == " " }.reversed())
    }
}
