import Yams

extension ManifestReader {
    /// Of later versions.
    private static let later = [
        "process:pid", "process:parent:name", "process:binary:name", "process:env", "docker:label", "docker:image:id",
        "k8s:namespace", "k8s:serviceaccount", "k8s:pod:label", "k8s:pod:name",
    ]

    mutating func selectors(_ field: Field) -> [Selector]? {
        guard let elements = list(field, of: "selectors") else { return nil }
        guard !elements.isEmpty else {
            refuse(field, "at least one selector, found an empty list; without one no process is this workload")
            return nil
        }
        return elements.compactMap { selector($0) }
    }

    private mutating func selector(_ field: Field) -> Selector? {
        let before = findings.count
        let known = SelectorKey.texts
        guard let fields = mapping(field, known: known, isKnown: { SelectorKey($0) != nil }, later: Self.later) else {
            return nil
        }
        guard !fields.isEmpty || findings.count > before else {
            refuse(
                field, "at least one of \(known.joined(separator: ", ")); an empty selector would match every process")
            return nil
        }
        var selector = Selector(conditions: [:])
        for (text, field) in fields.inOrder {
            guard let key = SelectorKey(text) else { continue }
            selector.conditions[key] = condition(field, for: key)
        }
        return selector
    }

    private mutating func condition(_ field: Field, for key: SelectorKey) -> Condition? {
        guard let elements = oneOrMore(field, of: key.plural) else { return nil }
        let condition = Condition(elements.compactMap { value($0, for: key) })
        if !condition.anyOf.isEmpty, condition.anyOf.allSatisfy({ condition.excludes($0) }) {
            refuse(field, "a value that is not excluded again; no process could match \(condition.summary)")
        }
        return condition
    }

    private mutating func value(_ field: Field, for key: SelectorKey) -> SelectorValue? {
        guard !field.node.hasLocalTag else {
            refuse(field, "\(key.noun); YAML takes a plain ! for a tag: put the value in quotes, as in \"!value\"")
            return nil
        }
        guard let text = written(field, for: key) else { return nil }
        do {
            return try SelectorValue(text, for: key)
        } catch {
            refuse(field, error.expected)
            return nil
        }
    }

    private mutating func written(_ field: Field, for key: SelectorKey) -> String? {
        if key.isNumeric { return digits(field, for: key) }
        // A truth value is no text of YAML's.
        if key == .host, case .scalar(let scalar) = field.node, !scalar.string.isEmpty { return scalar.string }
        return text(field, key.noun)
    }

    /// A number stands without quotes, unless a `!` needs them.
    private mutating func digits(_ field: Field, for key: SelectorKey) -> String? {
        if case .scalar(let scalar) = field.node, scalar.style != .plain, scalar.string.hasPrefix("!") {
            return scalar.string
        }
        return integer(field, in: 0...Int(UInt32.max - 1), key.noun).map(String.init)
    }
}

extension Fields {
    /// As written.
    fileprivate var inOrder: [(String, Field)] {
        entries.sorted { left, right in
            guard let first = left.value.node.mark, let second = right.value.node.mark else {
                return left.key < right.key
            }
            return (first.line, first.column) < (second.line, second.column)
        }
    }
}

extension Node {
    /// `!value` without quotes.
    fileprivate var hasLocalTag: Bool { tag.rawValue.hasPrefix("!") }
}
