import Testing

@testable import Workloads

@Suite struct PrecedenceTests {
    @Test func `an exact value beats a prefix of equal keys and words, and priority comes after`() {
        let prefix = Selector(conditions: [
            .commandLine: Condition(anyOf: [.words(["python", "m"], lastIsPrefix: true)])
        ])
        let path = { (pattern: Pattern) in Selector(conditions: [.binaryPath: Condition(anyOf: [pattern])]) }
        let identities = [
            Sample.identity("prefix", priority: 9, path(.prefix("/usr/"))),
            Sample.identity("exact", path(.text("/usr/bin/x"))),
            Sample.identity("words-prefix", priority: 9, prefix),
            Sample.identity("words", Selector(commandLines: [["python", "mcp"]])),
            Sample.identity("three-words", priority: -9, Selector(commandLines: [["python", "m", "x"]])),
        ]
        let order = SelectorProgram(compiling: identities.shuffled()).slots.map(\.workloadID)
        #expect(order == ["three-words", "words", "words-prefix", "exact", "prefix"])
        #expect(
            Precedence.conflicts(in: identities.filter { $0.name != "words-prefix" && $0.name != "prefix" }).count == 0)
    }

    @Test func `more keys win, then more words, then priority, then the name`() {
        let identities = [
            Sample.identity("z", Selector(userIDs: [1])),
            Sample.identity("a", Selector(names: ["x"])),
            Sample.identity("urgent", priority: 9, Selector(names: ["x"])),
            Sample.identity("words", Selector(commandLines: [["python", "b"]])),
            Sample.identity("word", Selector(commandLines: [["python"]])),
            Sample.identity("two", Selector(userIDs: [1], names: ["x"])),
        ]
        let order = SelectorProgram(compiling: identities.shuffled()).slots.map(\.workloadID)
        #expect(order == ["two", "words", "word", "urgent", "a", "z"])
    }

    @Test func `the shortest alternative counts`() {
        let specificity = Precedence.Specificity(of: Selector(commandLines: [["a", "b", "c"], ["d"]]))
        #expect(specificity.words == 1)
    }

    @Test func `two equally strong selectors that can meet are a conflict with both names`() {
        let conflicts = Precedence.conflicts(in: [
            Sample.identity("b", Selector(userIDs: [1, 2])), Sample.identity("a", Selector(names: ["x"])),
        ])
        #expect(conflicts.map(\.names) == [["a", "b"]])
        #expect(conflicts.first?.description.contains("a and b of agent group lab") == true)
        #expect(conflicts.first?.description.hasSuffix("set spec.priority") == true)
    }

    @Test(arguments: [
        (Selector(userIDs: [1]), Selector(userIDs: [2])),
        (Selector(names: ["x"]), Selector(names: ["y"])),
        (Selector(commandLines: [["python", "a"]]), Selector(commandLines: [["python", "b"]])),
        (Selector(userIDs: [1], names: ["x"]), Selector(userIDs: [1], names: ["y"])),
    ])
    func `selectors that no process can meet at once are no conflict`(_ left: Selector, _ right: Selector) {
        #expect(Precedence.conflicts(in: [Sample.identity("a", left), Sample.identity("b", right)]).isEmpty)
    }

    private static func asks(_ key: SelectorKey, _ any: [Pattern], not none: [Pattern] = []) -> Selector {
        Selector(conditions: [key: Condition(anyOf: any, noneOf: none)])
    }

    @Test(arguments: [
        (asks(.binaryPath, [.prefix("/usr/")]), asks(.binaryPath, [.text("/usr/bin/x")]), false),
        (asks(.binaryPath, [.prefix("/usr/")]), asks(.binaryPath, [.prefix("/usr/bin/")]), false),
        (asks(.binaryPath, [.prefix("/usr/")]), asks(.binaryPath, [.prefix("/opt/"), .text("/usr")]), true),
        (asks(.userID, [.number(0)]), asks(.userID, [], not: [.number(0)]), true),
        (asks(.userID, [.number(0), .number(1)]), asks(.userID, [], not: [.number(0)]), false),
        (asks(.cgroup, [.text("/a/b")]), asks(.cgroup, [.prefix("/")], not: [.prefix("/a/")]), true),
        (asks(.cgroup, [.prefix("/a")]), asks(.cgroup, [.prefix("/")], not: [.prefix("/a/")]), false),
        (asks(.additionalGroupID, [.number(1)]), asks(.additionalGroupID, [.number(2)]), false),
        (asks(.ancestor, [.text("a")]), asks(.ancestor, [], not: [.text("a")]), false),
        (asks(.parent, [.text("a")]), asks(.parent, [.text("b")]), true),
        (asks(.argument(1), [.text("a")]), asks(.argument(2), [.text("b")]), false),
        (asks(.argument(1), [.text("a")]), asks(.argument(1), [.text("b")]), true),
        (asks(.name, [.text("caf\u{e9}")]), asks(.name, [.text("cafe\u{301}")]), true),
        (
            asks(.commandLine, [.words(["python", "m"], lastIsPrefix: true)]),
            asks(.commandLine, [.words(["python", "mcp"], lastIsPrefix: false)]), false
        ),
        (
            asks(.commandLine, [.words(["python", "m"], lastIsPrefix: false)]),
            asks(.commandLine, [.words(["python", "mcp"], lastIsPrefix: false)]), true
        ),
    ])
    func `selectors are disjoint only where that is certain`(_ left: Selector, _ right: Selector, _ expected: Bool) {
        #expect(Precedence.areDisjoint(left, right) == expected)
        #expect(Precedence.areDisjoint(right, left) == expected)
    }

    @Test(
        arguments: [
            { (number: Int) in asks(.userID, [.number(UInt32(number))]) },
            { (number: Int) in Selector(userIDs: [1001], names: ["n\(number)"]) },
            { (number: Int) in
                Selector(userIDs: [1001], names: ["python"], commandLines: [["python", "s\(number).py"]])
            },
            { (number: Int) in asks(.binaryPath, [.prefix("/opt/w\(number)/")]) },
        ] as [@Sendable (Int) -> Selector])
    func `of thousands of identities the one conflict is found`(_ selector: @Sendable (Int) -> Selector) {
        var identities = (0..<SelectorProgram.maximumSlots).map { Sample.identity("w\($0)", selector($0)) }
        #expect(Precedence.conflicts(in: identities).isEmpty)
        #expect(SelectorProgram.excess(in: identities).isEmpty)
        identities.append(Sample.identity("zz", selector(77)))
        #expect(Precedence.conflicts(in: identities).map(\.names) == [["w77", "zz"]])
        #expect(SelectorProgram.excess(in: identities).count == 1)
    }

    @Test func `thousands of conflicts end in the first few`() {
        let identities = (0..<1000).map { Sample.identity("w\($0)", Selector(userIDs: [1])) }
        #expect(Precedence.conflicts(in: identities).count == Precedence.maximumConflicts)
    }

    @Test func `one command line that begins another can meet it`() {
        #expect(!Precedence.areDisjoint(Selector(commandLines: [["a"]]), Selector(commandLines: [["a", "b"]])))
        #expect(Precedence.areDisjoint(Selector(commandLines: [["a"]]), Selector(commandLines: [["ab"]])))
    }

    @Test func `priority or another group settles a conflict`() {
        let one = Sample.identity("a", Selector(userIDs: [1]))
        #expect(Precedence.conflicts(in: [one, Sample.identity("b", priority: 1, Selector(userIDs: [1]))]).isEmpty)
        #expect(Precedence.conflicts(in: [one, Sample.identity("b", group: "other", Selector(userIDs: [1]))]).isEmpty)
        #expect(Precedence.conflicts(in: [one, Sample.identity("b", Selector(userIDs: [1]))]).count == 1)
    }

    @Test func `one workload under two names in a group is a conflict`() {
        var second = Sample.identity("b", Selector(userIDs: [2]))
        second.workloadID = "a"
        let conflicts = Precedence.conflicts(in: [Sample.identity("a", Selector(userIDs: [1])), second])
        #expect(conflicts.map(\.cause) == [.sameWorkload("a")])
    }

    @Test func `the sample of the first use case has no conflict`() throws {
        let identities = try Manifest.decode(yaml: Sample.yaml, file: "f").compactMap { manifest in
            if case .workloadIdentity(let identity) = manifest { identity } else { nil }
        }
        #expect(Precedence.conflicts(in: identities).isEmpty)
    }
}
