import SPIFFE
import Yams

/// A YAML node with its way from the document's root.
struct Field {
    let node: Node
    /// `spec.selectors[0].process:uid`
    let path: String

    func child(_ key: String, _ node: Node) -> Field {
        Field(node: node, path: path.isEmpty ? key : "\(path).\(key)")
    }

    func element(_ index: Int, _ node: Node) -> Field { Field(node: node, path: "\(path)[\(index)]") }
}

/// The keys of one mapping.
struct Fields {
    let whole: Field
    let entries: [String: Field]
    /// Known keys that are there under a wrong spelling: told once, and not told to be missing as well.
    let misspelt: Set<String>

    subscript(key: String) -> Field? { entries[key] }
    var isEmpty: Bool { entries.isEmpty && misspelt.isEmpty }
}

/// Turns nodes into values and collects everything that does not fit.
///
/// Each reading returns nil after it has recorded why; the caller goes on, so that one run finds all.
struct ManifestReader {
    let file: String
    private(set) var findings: [ManifestError.Finding] = []

    init(file: String) { self.file = file }

    mutating func refuse(line: Int, column: Int, key: String, _ expected: String) {
        guard findings.count < ManifestError.maximumFindings else { return }
        findings.append(.init(file: file, line: line, column: column, key: key, expected: expected))
    }

    mutating func refuse(file expected: String) { refuse(line: 1, column: 1, key: "", expected) }

    mutating func refuse(_ field: Field, _ expected: String) {
        refuse(line: field.node.mark?.line ?? 1, column: field.node.mark?.column ?? 1, key: field.path, expected)
    }

    /// - Parameters:
    ///   - known: what messages list.
    ///   - isKnown: nil: exactly those.
    /// - Returns: nil where it is no mapping; unknown keys are recorded and left out.
    mutating func mapping(
        _ field: Field, known: [String], isKnown: ((String) -> Bool)? = nil, later: [String] = [],
    ) -> Fields? {
        guard case .mapping(let mapping) = field.node else {
            refuse(field, "a mapping with the keys \(known.joined(separator: ", ")), found \(field.node.nature)")
            return nil
        }
        var entries: [String: Field] = [:]
        var misspelt: Set<String> = []
        for (key, value) in mapping {
            guard case .scalar(let name) = key, isKnown?(name.string) ?? known.contains(name.string) else {
                if let meant = refuseUnknown(key, in: field, known: known, later: later) { misspelt.insert(meant) }
                continue
            }
            entries[name.string] = field.child(name.string, value)
        }
        return Fields(whole: field, entries: entries, misspelt: misspelt)
    }

    mutating func required(_ key: String, in fields: Fields?, _ what: String) -> Field? {
        guard let fields else { return nil }
        if let field = fields[key] { return field }
        guard !fields.misspelt.contains(key) else { return nil }
        refuse(fields.whole.child(key, fields.whole.node), "\(what); the key is missing")
        return nil
    }

    mutating func text(_ field: Field, _ what: String) -> String? {
        guard case .scalar(let scalar) = field.node else {
            refuse(field, "\(what), found \(field.node.nature)")
            return nil
        }
        guard field.node.isText else {
            let remedy = scalar.string.isEmpty ? "" : "; if it is meant as text, write \"\(scalar.string)\" in quotes"
            refuse(field, "\(what), found \(field.node.nature)\(remedy)")
            return nil
        }
        guard !scalar.string.isEmpty else {
            refuse(field, "\(what), found an empty text")
            return nil
        }
        guard !scalar.string.unicodeScalars.contains(where: Self.isUnreadable) else {
            refuse(field, "\(what), without control characters")
            return nil
        }
        return scalar.string
    }

    static func isUnreadable(_ scalar: Unicode.Scalar) -> Bool {
        scalar == "\u{fffd}" || scalar.value < 0x20 && !"\t\n\r".unicodeScalars.contains(scalar)
    }

    mutating func integer(_ field: Field, in range: ClosedRange<Int>, _ what: String) -> Int? {
        guard case .scalar(let scalar) = field.node, let value = Int(scalar.string), "\(value)" == scalar.string else {
            refuse(field, "\(what), found \(field.node.nature)")
            return nil
        }
        guard scalar.style == .plain else {
            refuse(field, "\(what), found the text \"\(value)\"; remove the quotes")
            return nil
        }
        guard range.contains(value) else {
            refuse(field, "\(what), from \(range.lowerBound) to \(range.upperBound), found \(value)")
            return nil
        }
        return value
    }

    /// - Parameter what: each element.
    mutating func list(_ field: Field, of what: String) -> [Field]? {
        guard case .sequence(let sequence) = field.node else {
            refuse(field, "a list of \(what), found \(field.node.nature)")
            return nil
        }
        return sequence.enumerated().map { field.element($0.offset, $0.element) }
    }

    /// A single value stands for a list of one; an empty list is refused, as it would match nothing.
    mutating func oneOrMore(_ field: Field, of what: String) -> [Field]? {
        guard case .sequence = field.node else { return [field] }
        guard let elements = list(field, of: what), !elements.isEmpty else {
            refuse(field, "at least one of \(what), found an empty list; remove the key to leave it open")
            return nil
        }
        return elements
    }

    /// - Returns: the known key that was probably meant.
    private mutating func refuseUnknown(_ key: Node, in field: Field, known: [String], later: [String]) -> String? {
        guard case .scalar(let scalar) = key else {
            refuse(field.child("?", key), "a key that is text, found \(key.nature)")
            return nil
        }
        let name = scalar.string
        let list = known.joined(separator: ", ")
        if later.contains(name) {
            refuse(field.child(name, key), "one of \(list); \(name) is not supported yet")
        } else if let nearest = Spelling.nearest(to: name, among: known) {
            refuse(field.child(name, key), "a known key; did you mean \(nearest)?")
            return nearest
        } else {
            refuse(field.child(name, key), "one of \(list)")
        }
        return nil
    }
}

extension Node {
    /// Whether YAML takes it for text, and not for a number, a truth value, a date or nothing.
    fileprivate var isText: Bool {
        guard case .scalar(let scalar) = self else { return false }
        return scalar.style != .plain || tag.rawValue == Tag.Name.str.rawValue
    }

    /// For "found …".
    var nature: String {
        switch self {
        case .mapping: return "a mapping"
        case .sequence: return "a list"
        case .alias: return "an alias"
        case .scalar(let scalar):
            guard !scalar.string.isEmpty else { return "nothing" }
            return isText ? "\"\(scalar.string.prefix(80))\"" : "\(scalar.string.prefix(80))"
        }
    }
}
