import Foundation
import Testing

@testable import Workloads

@Suite struct SelectorPropertyTests {
    static let seeds = Array(UInt64(1)...8)

    @Test(arguments: seeds)
    func `the matcher agrees with a plain reading of the program`(_ seed: UInt64) {
        var random = SplitMix(state: seed)
        for _ in 0..<100 {
            let identities = (0..<random.next(6)).map {
                Sample.identity("w\($0)", random.selector(), random.selector())
            }
            let program = SelectorProgram(compiling: identities)
            for _ in 0..<20 {
                let facts = random.facts()
                let expected = PlainReading.firstMatch(program, facts)
                #expect(program.firstMatch(facts) == expected)
                let given = Matcher(identities).match(facts).workloadID.map(WorkloadName.fixed)
                #expect(given == expected.map { program.slots[$0].workloadID })
            }
        }
    }

    @Test(arguments: seeds)
    func `the index leaves out no selector that matches`(_ seed: UInt64) {
        var random = SplitMix(state: seed)
        for _ in 0..<50 {
            let program = SelectorProgram(
                slots: (0..<40).map {
                    .init(selector: random.selector(), workloadID: WorkloadName(stringLiteral: "w\($0)"))
                })
            let matcher = Matcher(program: program)
            for _ in 0..<50 {
                let facts = random.facts()
                #expect(matcher.firstMatch(facts) == program.firstMatch(facts))
                #expect(matcher.verdict(on: facts).workloadID == matcher.match(facts).workloadID)
                let isOpen = program.candidates(facts).contains { !program.slots[$0].userSpaceKeys.isEmpty }
                #expect(matcher.needsUserSpace(facts) == isOpen)
            }
        }
    }

    @Test(arguments: seeds)
    func `each key alone agrees with a plain reading`(_ seed: UInt64) {
        var random = SplitMix(state: seed)
        for key in SplitMix.keys {
            for _ in 0..<50 {
                let selector = Selector(conditions: [key: random.condition(for: key)])
                let facts = random.facts()
                #expect(selector.matches(facts) == PlainReading.matches(selector, facts), "\(selector) \(facts)")
            }
        }
    }

    @Test(arguments: seeds)
    func `kernel and user space together decide what the whole selector decides`(_ seed: UInt64) {
        var random = SplitMix(state: seed)
        for _ in 0..<50 {
            let program = SelectorProgram(
                slots: (0..<10).map {
                    .init(selector: random.selector(), workloadID: WorkloadName(stringLiteral: "w\($0)"))
                })
            let facts = random.facts()
            let residue = Set(program.residue(holdingFor: facts))
            let needing = Set(program.slots.indices.filter { program.slots[$0].selector.needsUserSpace })
            let together = program.candidates(facts).filter { !needing.contains($0) || residue.contains($0) }
            #expect(residue.isSubset(of: needing))
            #expect(together.first == program.firstMatch(facts))
        }
    }

    @Test(arguments: seeds)
    func `any selector survives canonical YAML and JSON`(_ seed: UInt64) throws {
        var random = SplitMix(state: seed)
        for _ in 0..<50 {
            let manifest = Manifest.workloadIdentity(Sample.identity("a", random.possible(), random.possible()))
            #expect(
                try Manifest.decode(yaml: manifest.canonicalYAML, file: "f") == [manifest], "\(manifest.canonicalYAML)")
            let selector = random.selector()
            let json = try JSONEncoder().encode(selector)
            #expect(
                try JSONDecoder().decode(Selector.self, from: json) == selector,
                "\(String(decoding: json, as: UTF8.self))")
        }
    }

    @Test(arguments: seeds)
    func `what is found to be disjoint never meets`(_ seed: UInt64) {
        var random = SplitMix(state: seed)
        var disjoint = 0
        for _ in 0..<300 {
            let key = random.one(of: SplitMix.keys)
            let left = Selector(conditions: [key: random.condition(for: key)])
            let right = Selector(conditions: [key: random.condition(for: key)])
            guard Precedence.areDisjoint(left, right) else { continue }
            disjoint += 1
            for _ in 0..<100 {
                let facts = random.facts()
                #expect(!(left.matches(facts) && right.matches(facts)), "\(left) and \(right) meet in \(facts)")
            }
        }
        #expect(disjoint > 10)
    }

    @Test(arguments: seeds)
    func `the search for conflicts finds what comparing every pair finds`(_ seed: UInt64) {
        var random = SplitMix(state: seed)
        for _ in 0..<20 {
            let identities = (0..<8).map {
                Sample.identity("w\($0)", priority: random.next(2), random.selector(), random.selector())
            }
            let found = Set(Precedence.conflicts(in: identities).map(\.names))
            #expect(found == Self.conflictsPlainly(identities))
        }
    }

    @Test(arguments: seeds)
    func `the search among newcomers finds what the whole search finds`(_ seed: UInt64) {
        var random = SplitMix(state: seed)
        var conflicts = 0
        for round in 0..<30 {
            var identities: [WorkloadIdentity] = []
            for place in 0..<30 {
                let identity = random.identity("w\(place)")
                if Precedence.conflicts(in: identities + [identity]).isEmpty { identities.append(identity) }
            }
            // Now and then more of them than are compared one by one.
            let suspects = random.some(1 + random.next(round % 5 == 0 ? 12 : 3)) { "w\($0.next(36))" }
            identities.removeAll { suspects.contains($0.name) }
            identities += Set(suspects).sorted().map { random.identity($0) }
            let found = Precedence.conflicts(of: Set(suspects), in: identities.shuffled())
            #expect(found == Precedence.conflicts(in: identities))
            conflicts += found.count
        }
        #expect(conflicts > 10)
    }

    private static func conflictsPlainly(_ identities: [WorkloadIdentity]) -> Set<[String]> {
        var found: Set<[String]> = []
        for left in identities {
            for right in identities where left.name < right.name && left.priority == right.priority {
                for one in left.selectors {
                    for other in right.selectors
                    where Precedence.Specificity(of: one) == .init(of: other) && !Precedence.areDisjoint(one, other) {
                        found.insert([left.name, right.name])
                    }
                }
            }
        }
        return found
    }
}

extension SplitMix {
    /// Of two groups, with IDs and templates that meet now and then.
    fileprivate mutating func identity(_ name: String) -> WorkloadIdentity {
        let selectors = some(1 + next(3)) { $0.selector() }
        return WorkloadIdentity(
            name: name, agentGroup: one(of: ["lab", "lab", "other"]),
            workloadID: WorkloadName(
                stringLiteral: one(
                    of: [name, name, name, "agents/\(next(9))", "agents/{{process:uid}}", "{{process:gid}}/x"])),
            selectors: selectors, priority: next(3))
    }

    /// A selector the reader takes: one that excludes all it asks is refused.
    fileprivate mutating func possible() -> Selector {
        while true {
            let selector = selector()
            let isPossible = selector.conditions.values.allSatisfy { condition in
                condition.anyOf.isEmpty || !condition.anyOf.allSatisfy(condition.excludes)
            }
            if isPossible { return selector }
        }
    }
}
