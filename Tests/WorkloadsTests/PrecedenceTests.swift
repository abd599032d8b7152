import Testing

@testable import Workloads

@Suite struct PrecedenceTests {
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
