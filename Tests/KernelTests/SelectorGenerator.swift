@testable import Workloads

/// Selectors and processes by chance, with a seed: a failure comes again. Few values, among them such as begin each other.
struct SelectorGenerator {
    private var state: UInt64
    /// Of `process:argv[N]`; one policy has at most eight.
    private var argumentIndexes: [Int] = [0]

    init(seed: UInt64) { state = seed }

    /// SplitMix64.
    mutating func next(_ bound: Int) -> Int {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return Int((mixed ^ (mixed >> 31)) % UInt64(bound))
    }

    mutating func one<Element>(of all: [Element]) -> Element { all[next(all.count)] }

    mutating func some<Element>(_ count: Int, _ make: (inout Self) -> Element) -> [Element] {
        (0..<count).map { _ in make(&self) }
    }
}

// MARK: Values

extension SelectorGenerator {
    static let fixedKeys: [SelectorKey] = [
        .userID, .realUserID, .groupID, .realGroupID, .additionalGroupID, .name, .commandLine, .binaryPath, .cgroup,
        .systemdUnit, .host, .binaryHash, .scriptPath, .scriptHash, .parent, .ancestor,
    ]

    private mutating func number() -> UInt32 { one(of: [0, 1, 2, 3, .max - 1]) }

    private mutating func name() -> String {
        one(of: ["a", "ab", "fifteen-letters", "fifteen-letter", "\u{e9}", "\\xe9", "\\x5cxe9"])
    }

    /// Up to the longest a selector may ask for, and longer ones that begin with it.
    private mutating func word() -> String {
        next(24) == 0
            ? String(repeating: "x", count: one(of: [246, 247, 248, 260]))
            : one(of: ["a", "ab", "abc", "b", "\u{e9}", "e\u{301}", "*", "\\xc3", "\\xe9", "a\\", "a\\xff"])
    }

    private mutating func askedWord() -> String { String(decoding: word().utf8.prefix(247), as: UTF8.self) }

    private mutating func path() -> String {
        one(of: [
            "/a", "/a/b", "/ab", "/b", "/a/python3.11", "/node", "/node_x", "/" + String(repeating: "p", count: 246),
        ])
    }

    private mutating func unit() -> String { one(of: ["a.service", "ab.service", "a.scope", "user@1.service"]) }

    private mutating func id() -> String { one(of: ["a", "a/b", "ab"]) }

    private mutating func hash() -> String { String(repeating: one(of: ["a", "b"]), count: 64) }
}

// MARK: Policies

extension SelectorGenerator {
    /// A selector at each of `count` slots; where `slots` are given, those elsewhere match nobody.
    mutating func program(_ count: Int, reachable slots: Set<Int>? = nil, identities: [WorkloadName]) -> SelectorProgram
    {
        argumentIndexes = some(1 + next(SelectorProgram.maximumArgumentIndexes)) {
            $0.one(of: [0, 1, 2, 3, 4, 5, 6, 63])
        }
        return SelectorProgram(
            slots: (0..<count).map { slot in
                var selector = selector(keys: slots == nil ? 1 + next(4) : 1 + next(2))
                if let slots, !slots.contains(slot) {
                    selector.conditions[.realUserID] = Condition(anyOf: [.number(UInt32(1000 + slot))])
                }
                return .init(selector: selector, workloadID: one(of: identities))
            })
    }

    private mutating func selector(keys count: Int) -> Selector {
        var selector = Selector(conditions: [:])
        for _ in 0..<count {
            let key = next(6) == 0 ? .argument(one(of: argumentIndexes)) : key()
            selector.conditions[key] = condition(for: key)
        }
        return selector
    }

    /// Every third of the keys of user space, else those of the kernel part.
    private mutating func key() -> SelectorKey {
        while true {
            let key = one(of: Self.fixedKeys)
            if key.isDecidedByKernel || next(3) == 0 { return key }
        }
    }

    private mutating func condition(for key: SelectorKey) -> Condition {
        let count = next(4)
        return Condition(
            anyOf: some(count) { $0.pattern(for: key) },
            noneOf: some(count == 0 ? 1 + next(2) : next(4) / 3) { $0.pattern(for: key) },
        )
    }

    private mutating func pattern(for key: SelectorKey) -> Pattern {
        switch key {
        case _ where key.isNumeric: .number(number())
        case .binaryHash, .scriptHash: .text(hash())
        case .host: .text(one(of: ["true", "false"]))
        case .commandLine: commandLine()
        case .binaryPath, .scriptPath, .cgroup: beginningOrWhole(path())
        case .parent, .ancestor: beginningOrWhole(id())
        case .systemdUnit: beginningOrWhole(unit())
        case .name: beginningOrWhole(name())
        default: beginningOrWhole(askedWord())
        }
    }

    private mutating func beginningOrWhole(_ text: String) -> Pattern { next(3) == 0 ? .prefix(text) : .text(text) }

    /// As long as a manifest may have it.
    private mutating func commandLine() -> Pattern {
        var words = some(1 + next(3)) { $0.askedWord() }
        while words.reduce(0, { $0 + $1.utf8.count + 1 }) > Selector.maximumCommandLineBytes { words.removeLast() }
        return .words(words, lastIsPrefix: next(3) == 0)
    }
}

// MARK: Processes

extension SelectorGenerator {
    mutating func facts() -> ProcessFacts {
        var facts = anyFacts()
        facts.hidesProcesses = facts.userID == 3 && facts.groupID == 3
        return facts
    }

    private mutating func anyFacts() -> ProcessFacts {
        ProcessFacts(
            key: ProcessKey(pid: 42, startTime: 7),
            userID: number(), realUserID: number(), groupID: number(), realGroupID: number(),
            additionalGroupIDs: groups(), additionalGroupsTruncated: next(12) == 0,
            name: name(), arguments: arguments(), argumentsTruncated: next(4) == 0,
            executable: .init(
                path: next(6) == 0 ? "" : path(), device: 1, inode: 2, pathIsForeign: next(5) == 0,
                hash: next(4) == 0 ? nil : hash()),
            script: next(3) == 0 ? nil : .init(path: path(), hash: next(3) == 0 ? nil : hash()),
            cgroup: path(), systemdUnit: next(3) == 0 ? nil : unit(),
            parentIdentity: next(3) == 0 ? nil : id(), ancestorIdentities: some(next(3)) { $0.id() },
            isOnHost: next(2) == 0,
        )
    }

    private mutating func groups() -> [UInt32] {
        let filler = UInt32(500)..<UInt32(500 + one(of: [0, 0, 0, 30, 31, 32, 40]))
        return some(next(3)) { $0.number() } + filler
    }

    /// As many as the kernel part keeps, the empty word among them.
    private mutating func arguments() -> [String] {
        var words = some(next(9)) { $0.next(10) == 0 ? "" : $0.word() }
        while words.reduce(0, { $0 + $1.utf8.count + 1 }) > 1024 { words.removeLast() }
        return words
    }
}
