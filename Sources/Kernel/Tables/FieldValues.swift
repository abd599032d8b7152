import KernelABI
import Workloads

/// What the selectors of a program say of one key, value by value.
struct FieldValues {
    /// Slots by what they want of one value.
    struct Patterns {
        var wanted: [Int] = []
        var excluded: [Int] = []
    }

    /// Slots that do not ask.
    private(set) var open = SelectorRow()
    /// Slots satisfied by a value that no selector names.
    private(set) var unnamed = SelectorRow()
    private(set) var numbers: [UInt32: Patterns] = [:]
    /// Exact texts end with NUL.
    private var texts: [[UInt8]: Patterns] = [:]

    init(_ key: SelectorKey, in program: SelectorProgram) throws(KernelError) {
        for (slot, entry) in program.slots.enumerated() {
            guard let condition = entry.selector.conditions[key] else {
                open.insert(slot)
                unnamed.insert(slot)
                continue
            }
            if condition.anyOf.isEmpty { unnamed.insert(slot) }
            for pattern in condition.anyOf { try add(pattern, key) { $0.wanted.append(slot) } }
            for pattern in condition.noneOf { try add(pattern, key) { $0.excluded.append(slot) } }
        }
    }

    private mutating func add(
        _ pattern: Pattern, _ key: SelectorKey, _ note: (inout Patterns) -> Void,
    ) throws(KernelError) {
        switch pattern {
        case .text(let text) where key == .host: note(&numbers[text == "true" ? 1 : 0, default: Patterns()])
        case .number(let number): note(&numbers[number, default: Patterns()])
        case .text(let text): note(&texts[try checked(text.namedBytes + [0], key), default: Patterns()])
        case .prefix(let text): note(&texts[try checked(text.namedBytes, key), default: Patterns()])
        case .words(let words, let lastIsPrefix):
            var bytes = words.flatMap { (word: String) -> [UInt8] in word.namedBytes + [0] }
            if lastIsPrefix { bytes.removeLast() }
            note(&texts[try checked(bytes, key), default: Patterns()])
        }
    }

    private func checked(_ bytes: [UInt8], _ key: SelectorKey) throws(KernelError) -> [UInt8] {
        let maximum = key == .name ? Int(PROCESS_NAME_LEN) : Int(SELECTOR_TEXT_LEN)
        guard bytes.count <= maximum else {
            throw .selectorTooLong(
                key: "\(key)", value: String(naming: bytes.map { $0 == 0 ? 0x20 : $0 }),
                maximumBytes: maximum,
            )
        }
        return bytes
    }

    /// Each text with the patterns that it satisfies: its own, and those of all texts it begins with. The trie
    /// answers with the longest entry alone.
    var textsWithPrefixes: [([UInt8], [Patterns])] {
        var chain: [(bytes: [UInt8], patterns: Patterns)] = []
        return texts.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map { bytes, patterns in
            while let last = chain.last, !bytes.starts(with: last.bytes) { chain.removeLast() }
            chain.append((bytes, patterns))
            return (bytes, chain.map(\.patterns))
        }
    }

    /// The one or two slots that such a value satisfies beside ``unnamed``; nil where that does not describe it.
    func slots(beside patterns: [Patterns]) -> (Int, Int)? {
        guard patterns.allSatisfy(\.excluded.isEmpty) else { return nil }
        let wanted = patterns.flatMap(\.wanted)
        return (1...2).contains(wanted.count) ? (wanted[0], wanted[wanted.count - 1]) : nil
    }

    /// Slots satisfied by a value to which exactly these patterns apply.
    func row(for patterns: [Patterns]) -> SelectorRow {
        var row = unnamed
        for slot in patterns.lazy.flatMap(\.wanted) { row.insert(slot) }
        for slot in patterns.lazy.flatMap(\.excluded) { row.remove(slot) }
        return row
    }
}
