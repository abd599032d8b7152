/// Finds a program's first match without asking every selector: those that want an exact value are filed under it.
///
/// It only leaves out what cannot match, so the answer is that of ``SelectorProgram/firstMatch(_:)``.
struct SelectorIndex: Sendable {
    /// An exact value of a key; of a command line its first word.
    private enum Value: Hashable {
        case number(UInt32)
        case text([UInt8])
    }

    /// Where a slot can be filed.
    private struct Anchor {
        let key: SelectorKey
        let values: [Value]
    }

    private var filed: [SelectorKey: [Value: [Int]]] = [:]
    /// Slots that want no exact value; looked at for every process.
    private var others: [Int] = []

    /// - Parameters:
    ///   - isWanted: other slots are no candidates.
    ///   - isFiled: keys by which slots may be filed.
    init(
        _ slots: [SelectorProgram.Slot], of isWanted: (SelectorProgram.Slot) -> Bool = { _ in true },
        by isFiled: (SelectorKey) -> Bool = { _ in true },
    ) {
        let wanted = slots.indices.filter { isWanted(slots[$0]) }
        let anchors = wanted.map { Self.anchors(of: slots[$0].selector).filter { isFiled($0.key) } }
        let crowds = Self.crowds(anchors)
        for (slot, choices) in zip(wanted, anchors) {
            guard let best = choices.min(by: { Self.crowd($0, crowds) < Self.crowd($1, crowds) }) else {
                others.append(slot)
                continue
            }
            for value in Set(best.values) { filed[best.key, default: [:]][value, default: []].append(slot) }
        }
    }

    /// Slots that may match, in order; all others do not.
    func candidates(for facts: ProcessFacts) -> [Int] {
        var found = others
        for (key, slots) in filed {
            for value in Self.values(of: facts.fact(for: key)) { found += slots[value] ?? [] }
        }
        return found.sorted()
    }

    private static func anchors(of selector: Selector) -> [Anchor] {
        selector.keys.compactMap { key in
            guard let wanted = selector.conditions[key]?.anyOf, !wanted.isEmpty else { return nil }
            let values = wanted.compactMap(value)
            return values.count == wanted.count ? Anchor(key: key, values: values) : nil
        }
    }

    /// How many slots want each value.
    private static func crowds(_ anchors: [[Anchor]]) -> [SelectorKey: [Value: Int]] {
        var crowds: [SelectorKey: [Value: Int]] = [:]
        for anchor in anchors.joined() {
            for value in anchor.values { crowds[anchor.key, default: [:]][value, default: 0] += 1 }
        }
        return crowds
    }

    private static func crowd(_ anchor: Anchor, _ crowds: [SelectorKey: [Value: Int]]) -> Int {
        anchor.values.map { crowds[anchor.key]?[$0] ?? 0 }.max() ?? 0
    }

    private static func value(of pattern: Pattern) -> Value? {
        switch pattern {
        case .number(let number): .number(number)
        case .text(let text): .text(text.namedBytes)
        case .prefix: nil
        case .words(let words, let lastIsPrefix):
            words.count == 1 && lastIsPrefix ? nil : words.first.map { .text($0.namedBytes) }
        }
    }

    private static func values(of fact: Fact) -> [Value] {
        switch fact {
        case .number(let number): [.number(number)]
        case .numbers(let all): all.map { .number($0) }
        case .text(let text, _): [.text(text.namedBytes)]
        case .texts(let all): all.map { .text($0.namedBytes) }
        case .words(let words, _): words.prefix(1).map { .text($0.namedBytes) }
        case .absent, .unknown: []
        }
    }
}
