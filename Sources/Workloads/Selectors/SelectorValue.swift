/// One value of a selector's key as operators write it: `1001`, `python`, `mcp_*`, `!0`.
///
/// A value whose text itself begins with `!` or ends with `*` is written with a backslash before that character.
struct SelectorValue: Hashable {
    var pattern: Pattern
    /// Written with a leading `!`.
    var isExcluded: Bool

    /// What a value should have been, and what it is.
    struct Mistake: Error, CustomStringConvertible {
        let expected: String
        init(_ expected: String) { self.expected = expected }
        var description: String { "expected \(expected)" }
    }

    init(_ pattern: Pattern, isExcluded: Bool = false) {
        self.pattern = pattern
        self.isExcluded = isExcluded
    }

    init(_ text: String, for key: SelectorKey) throws(Mistake) {
        isExcluded = text.utf8.first == UInt8(ascii: "!")
        let rest = isExcluded ? String(text.unicodeScalars.dropFirst()) : text
        guard !rest.isEmpty else { throw Mistake("\(key.noun) after the !, found nothing") }
        guard rest.utf8.first != UInt8(ascii: "!") else {
            throw Mistake("one !, found \"\(text)\"; a value that itself begins with ! is written \\!")
        }
        pattern = try key.pattern(ValueText(written: rest))
    }

    var text: String {
        let written = pattern.value.written
        return isExcluded ? "!" + written : written
    }
}

/// The text of a value without its marks.
struct ValueText {
    var text: String
    /// Written with a trailing `*`.
    var isPrefix: Bool

    init(_ text: String, isPrefix: Bool) {
        self.text = text
        self.isPrefix = isPrefix
    }

    init(written: String) {
        var scalars = written.unicodeScalars[...]
        if scalars.first == "\\", Self.beginsWithMark(scalars) { scalars.removeFirst() }
        isPrefix = false
        if scalars.last == "*" {
            scalars.removeLast()
            if scalars.last == "\\" {
                scalars.removeLast()
                scalars.append("*")
            } else {
                isPrefix = true
            }
        }
        text = String(scalars)
    }

    /// A prefix that ends in a backslash cannot be written; no manifest gives one.
    var written: String {
        var scalars = text.unicodeScalars
        if !isPrefix, scalars.last == "*" {
            scalars.removeLast()
            scalars.append(contentsOf: "\\*".unicodeScalars)
        }
        let escape = Self.beginsWithMark(scalars[...]) ? "\\" : ""
        return escape + String(scalars) + (isPrefix ? "*" : "")
    }

    /// Whether `!` is first, but for backslashes.
    private static func beginsWithMark(_ scalars: Substring.UnicodeScalarView) -> Bool {
        scalars.drop { $0 == "\\" }.first == "!"
    }
}

extension Pattern {
    fileprivate var value: ValueText {
        switch self {
        case .number(let number): ValueText("\(number)", isPrefix: false)
        case .text(let text): ValueText(text, isPrefix: false)
        case .prefix(let text): ValueText(text, isPrefix: true)
        case .words(let words, let lastIsPrefix): ValueText(words.joined(separator: " "), isPrefix: lastIsPrefix)
        }
    }
}

extension Condition {
    init(_ values: [SelectorValue]) {
        anyOf = values.filter { !$0.isExcluded }.map(\.pattern)
        noneOf = values.filter(\.isExcluded).map(\.pattern)
    }

    private var values: [SelectorValue] {
        anyOf.map { SelectorValue($0) } + noneOf.map { SelectorValue($0, isExcluded: true) }
    }

    /// As operators write them: what is asked first, then what is excluded.
    var texts: [String] { values.map(\.text) }

    /// For a message.
    var summary: String {
        let excluded = noneOf.map { SelectorValue($0, isExcluded: true).text }
        let asked = anyOf.map { SelectorValue($0).text }.joined(separator: " or ")
        return ((asked.isEmpty ? [] : [asked]) + excluded).joined(separator: " and ")
    }
}
