@testable import Workloads

/// A small generator with a seed, so that a failure comes again.
struct SplitMix {
    var state: UInt64

    mutating func next(_ bound: Int) -> Int {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return Int((mixed ^ (mixed >> 31)) % UInt64(bound))
    }

    mutating func one<Element>(of all: [Element]) -> Element { all[next(all.count)] }

    mutating func some<Element>(_ count: Int, _ make: (inout SplitMix) -> Element) -> [Element] {
        (0..<count).map { _ in make(&self) }
    }
}

// Few values, so that they meet often; among them such as begin each other.
extension SplitMix {
    static let keys: [SelectorKey] = [
        .userID, .realUserID, .groupID, .realGroupID, .additionalGroupID, .name, .commandLine, .argument(0),
        .argument(1), .argument(2), .binaryPath, .binaryHash, .scriptPath, .scriptHash, .cgroup, .parent, .ancestor,
        .systemdUnit, .host,
    ]

    mutating func word() -> String { one(of: ["a", "ab", "abc", "b", "\u{e9}", "e\u{301}", "!", "*", "\\*", "\\!b"]) }

    mutating func number() -> UInt32 { UInt32(next(4)) }

    mutating func hash() -> String { String(repeating: one(of: ["a", "b", "0"]), count: 64) }

    mutating func path() -> String { "/" + one(of: ["a", "a/b", "ab", "b", "a/b/c*", "system.slice/x.service"]) }

    mutating func id() -> String { one(of: ["a", "a/b", "ab", "agents/1", "agents/12"]) }

    mutating func unit() -> String { one(of: ["a.service", "ab.service", "a.scope", "user@1.service"]) }

    mutating func pattern(for key: SelectorKey) -> Pattern {
        switch key {
        case _ where key.isNumeric: .number(number())
        case _ where key.isHash: .text(hash())
        case .host: .text(one(of: ["true", "false"]))
        case .commandLine: .words(some(1 + next(3)) { $0.word() }, lastIsPrefix: next(3) == 0)
        case .binaryPath, .scriptPath, .cgroup: prefixOrWhole(path())
        case .parent, .ancestor: prefixOrWhole(id())
        case .systemdUnit: prefixOrWhole(unit())
        default: prefixOrWhole(word())
        }
    }

    /// A prefix that ends in a backslash cannot be written; none of the values does.
    private mutating func prefixOrWhole(_ text: String) -> Pattern { next(3) == 0 ? .prefix(text) : .text(text) }

    mutating func condition(for key: SelectorKey) -> Condition {
        let count = next(3)
        return Condition(
            anyOf: some(count) { $0.pattern(for: key) },
            noneOf: some(count == 0 ? 1 + next(2) : next(4) / 3) { $0.pattern(for: key) },
        )
    }

    /// One to four keys.
    mutating func selector() -> Selector {
        var selector = Selector(conditions: [:])
        for _ in 0...next(4) {
            let key = one(of: Self.keys)
            selector.conditions[key] = condition(for: key)
        }
        return selector
    }

    mutating func facts() -> ProcessFacts {
        var facts = anyFacts()
        facts.hidesProcesses = facts.userID == 3 && facts.groupID == 3
        return facts
    }

    private mutating func anyFacts() -> ProcessFacts {
        ProcessFacts(
            key: ProcessKey(pid: 42, startTime: 7),
            userID: number(), realUserID: number(), groupID: number(), realGroupID: number(),
            additionalGroupIDs: some(next(4)) { $0.number() }, additionalGroupsTruncated: next(8) == 0,
            name: word(), arguments: some(next(4)) { $0.word() }, argumentsTruncated: next(4) == 0,
            executable: .init(
                path: next(6) == 0 ? "" : path(), device: 1, inode: 2, pathIsForeign: next(5) == 0,
                hash: next(4) == 0 ? nil : hash()),
            script: next(3) == 0 ? nil : .init(path: path(), hash: next(3) == 0 ? nil : hash()),
            cgroup: path(), systemdUnit: next(2) == 0 ? nil : unit(),
            parentIdentity: next(2) == 0 ? nil : id(), ancestorIdentities: some(next(3)) { $0.id() },
            isOnHost: next(2) == 0,
        )
    }
}
