@testable import Workloads

/// What docs/manifests.md says of a selector, done once more in the plainest way: everything is bytes, and argv is what the kernel keeps.
///
/// Shares no code with the matcher.
enum PlainReading {
    static func firstMatch(_ program: SelectorProgram, _ facts: ProcessFacts) -> Int? {
        for (index, slot) in program.slots.enumerated() where matches(slot.selector, facts) { return index }
        return nil
    }

    static func matches(_ selector: Selector, _ facts: ProcessFacts) -> Bool {
        let files = [SelectorKey.binaryPath, .binaryHash].flatMap { selector.conditions[$0]?.anyOf ?? [] }
        let wholeFiles = files.filter { if case .prefix = $0 { false } else { true } }
        if facts.hidesProcesses, wholeFiles.isEmpty { return false }
        for (key, condition) in selector.conditions where !holds(key, condition, facts) { return false }
        return true
    }

    static func holds(_ key: SelectorKey, _ condition: Condition, _ facts: ProcessFacts) -> Bool {
        guard let values = values(of: facts, for: key) else { return false }
        var isAsked = condition.anyOf.isEmpty
        for pattern in condition.anyOf where values.contains(where: { fits($0, pattern) }) { isAsked = true }
        for pattern in condition.noneOf where values.contains(where: { fits($0, pattern) }) { return false }
        return isAsked
    }

    /// nil: whatever is asked, it does not hold. Empty: no pattern fits. A whole value ends with 255, which no text holds.
    private static func values(of facts: ProcessFacts, for key: SelectorKey) -> [[UInt8]]? {
        let whole = { (text: String) in Array(text.utf8) + [255] }
        let number = { (number: UInt32) in whole("\(number)") }
        switch key {
        case .userID: return [number(facts.userID)]
        case .realUserID: return [number(facts.realUserID)]
        case .groupID: return [number(facts.groupID)]
        case .realGroupID: return [number(facts.realGroupID)]
        case .additionalGroupID: return facts.additionalGroupsTruncated ? nil : facts.additionalGroupIDs.map(number)
        case .name: return [whole(facts.name)]
        case .commandLine: return [kept(facts.arguments, isCut: facts.argumentsTruncated, end: 0)]
        case .argument(let index):
            guard index < facts.arguments.count else { return [] }
            let isLast = index + 1 == facts.arguments.count
            return [kept([facts.arguments[index]], isCut: isLast && facts.argumentsTruncated, end: 255)]
        case .binaryPath: return facts.executable.pathIsForeign ? nil : [whole(facts.executable.path)]
        case .binaryHash: return facts.executable.hash.map { [whole($0)] }
        case .scriptPath:
            guard let script = facts.script else { return [] }
            return facts.executable.pathIsForeign ? nil : [whole(script.path)]
        case .scriptHash:
            guard let script = facts.script else { return [] }
            return script.hash.map { [whole($0)] }
        case .cgroup: return [whole(facts.cgroup)]
        case .parent: return facts.parentIdentity.map { [whole($0)] } ?? []
        case .ancestor: return facts.ancestorIdentities.map(whole)
        case .host: return [whole(facts.isOnHost ? "true" : "false")]
        case .systemdUnit: return facts.systemdUnit.map { [whole($0)] } ?? []
        }
    }

    /// Each word with its end, the last one without where more was there.
    private static func kept(_ words: [String], isCut: Bool, end: UInt8) -> [UInt8] {
        var bytes: [UInt8] = []
        for word in words { bytes += Array(word.utf8) + [end] }
        return isCut && !bytes.isEmpty ? Array(bytes.dropLast()) : bytes
    }

    private static func fits(_ value: [UInt8], _ pattern: Pattern) -> Bool {
        switch pattern {
        case .number(let number): value == Array("\(number)".utf8) + [255]
        case .text(let text): value == Array(text.utf8) + [255]
        case .prefix(let text): Array(value.prefix(text.utf8.count)) == Array(text.utf8)
        case .words(let words, let lastIsPrefix):
            Array(value.prefix(kept(words, isCut: lastIsPrefix, end: 0).count))
                == kept(words, isCut: lastIsPrefix, end: 0)
        }
    }
}
