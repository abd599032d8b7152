import Limits
import Yams

/// The documents of a YAML text, one after the other; a syntax error ends them and becomes a finding.
struct YAMLDocuments: Sequence {
    private let roots: [Node]

    /// Each may stand for a tree, and trees of aliases grow exponentially.
    static let maximumAliases = Limits.Manifests.aliases

    init(_ yaml: String, reader: inout ManifestReader) {
        guard yaml.utf8.count <= Manifest.maximumBytes else {
            reader.refuse(file: "at most \(Manifest.maximumBytes) bytes, found \(yaml.utf8.count); split the file")
            roots = []
            return
        }
        guard Self.aliases(in: yaml) <= Self.maximumAliases else {
            reader.refuse(file: "at most \(Self.maximumAliases) YAML aliases (*name); write the values out")
            roots = []
            return
        }
        roots = Self.compose(yaml, reader: &reader)
    }

    func makeIterator() -> IndexingIterator<[Node]> { roots.makeIterator() }

    private static func compose(_ yaml: String, reader: inout ManifestReader) -> [Node] {
        // The parser keeps a pointer into the text, which Swift stores in place when it is shorter than 16 bytes.
        let padded = yaml.utf8.count < 16 ? yaml + String(repeating: "\n", count: 16) : yaml
        var roots: [Node] = []
        do {
            let parser = try Parser(yaml: padded, encoding: .utf8)
            while let root = try parser.nextRoot() {
                if !isNothing(root) { roots.append(root) }
            }
        } catch {
            reader.refuse(syntax: error)
        }
        return roots
    }

    /// `---` twice in a row, or a document of comments alone.
    private static func isNothing(_ node: Node) -> Bool {
        guard case .scalar(let scalar) = node else { return false }
        return scalar.string.isEmpty && scalar.style == .plain
    }

    /// An upper bound: also counts what looks like one inside a text or a comment. Not so `app-*`, which is a prefix: an
    /// alias follows white space, a bracket, a comma, or the colon behind a quoted key.
    private static func aliases(in yaml: String) -> Int {
        var count = 0
        var previous = UInt8(ascii: "\n")
        for byte in yaml.utf8 {
            if byte == UInt8(ascii: "*"), " \t\n\r[]{},:".utf8.contains(previous) { count += 1 }
            previous = byte
        }
        return count
    }
}

extension ManifestReader {
    mutating func refuse(syntax error: any Error) {
        switch error as? YamlError {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            let during = context.map { " (\($0.text))" } ?? ""
            refuse(line: mark.line, column: mark.column, key: "", "well-formed YAML: \(problem)\(during)")
        case .duplicatedKeysInMapping(let duplicates, let context):
            refuse(
                line: context.mark.line, column: context.mark.column, key: duplicates.first ?? "",
                "each key once in a mapping; remove one of the two",
            )
        case .reader(let problem, _, _, _):
            refuse(file: "UTF-8 text without control characters: \(problem)")
        default:
            refuse(file: "well-formed YAML: \(error)")
        }
    }
}
