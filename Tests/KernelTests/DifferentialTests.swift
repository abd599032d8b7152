import Foundation
import Testing
import Workloads

@testable import Kernel

extension KernelSessionTests {
    /// The kernel part and ``Matcher`` are two readings of one policy. Here they are held to one result, by chance and in bulk;
    /// that of ``Matcher`` is held to the words of the documentation by its own tests.
    @Suite(.serialized) struct DifferentialTests {
        private static let seed: UInt64 = 2
        /// Processes, each with one policy. TIDEMARK_DIFFERENTIAL_PAIRS says otherwise, for a machine that is too slow for all.
        private static let pairs =
            ProcessInfo.processInfo.environment["TIDEMARK_DIFFERENTIAL_PAIRS"].flatMap { Int($0) } ?? 100_000
        private let identities: [WorkloadName: IdentityHandle] = [
            "a": .init(rawValue: 7), "b": .init(rawValue: 8), "c": .init(rawValue: 9),
        ]

        @Test func `the kernel part and the matcher agree on processes and policies made by chance`() throws {
            try Room.with { room in
                var generator = SelectorGenerator(seed: Self.seed)
                var comparison = Comparison(kernel: room.kernel, identities: identities)
                for (slots, policies, processes) in [(1...4, 60, 500), (5...24, 80, 625), (25...200, 20, 900)] {
                    for _ in 0..<policies {
                        let count = slots.lowerBound + generator.next(slots.count)
                        let program = generator.program(count, identities: identities.keys.sorted())
                        try comparison.add(program, processes: Self.share(processes), by: &generator)
                    }
                }
                while comparison.pairs < Self.pairs {
                    let reachable = Set(generator.some(4) { $0.one(of: Self.borders) })
                    let program = generator.program(4096, reachable: reachable, identities: identities.keys.sorted())
                    try comparison.add(program, processes: Self.share(250), by: &generator)
                }
                #expect(comparison.disagreements == [], "seed \(Self.seed)")
                expectVariety(comparison)
            }
        }

        /// Of so many out of 100,000, as many as make up ``pairs``. The policies are no fewer and no smaller.
        private static func share(_ processes: Int) -> Int { max(1, processes * pairs / 100_000) }

        /// The first and last slots of words, and of all.
        private static let borders = [0, 1, 62, 63, 64, 65, 127, 128, 2047, 2048, 4031, 4032, 4094, 4095]

        /// A generator that made one kind of pair alone would prove little.
        private func expectVariety(_ comparison: Comparison) {
            let tenth = comparison.pairs / 10
            #expect(comparison.pairs >= Self.pairs)
            #expect(comparison.matched > tenth)
            #expect(comparison.undecided > tenth)
            #expect(comparison.unmatched > tenth)
            #expect(comparison.answered > tenth)
            #expect(comparison.slots.isSuperset(of: [0, 63, 64, 4095]))
        }
    }
}

/// Pairs that were compared, and what came out.
private struct Comparison {
    let kernel: KernelSession
    let identities: [WorkloadName: IdentityHandle]
    private(set) var matched = 0, undecided = 0, unmatched = 0
    /// By what user space said as well.
    private(set) var answered = 0
    /// That named an identity, or would have.
    private(set) var slots: Set<Int> = []
    /// The first ones.
    private(set) var disagreements: [String] = []

    var pairs: Int { matched + undecided + unmatched }

    init(kernel: KernelSession, identities: [WorkloadName: IdentityHandle]) {
        self.kernel = kernel
        self.identities = identities
    }

    mutating func add(
        _ program: SelectorProgram, processes: Int, by generator: inout SelectorGenerator,
    ) throws {
        let generation = try kernel.install(program, handles: identities)
        let asks = program.slots.contains { $0.selector.needsUserSpace }
        for _ in 0..<processes {
            let facts = generator.facts()
            let isAnswered = asks && generator.next(2) == 0
            let holding = isAnswered ? program.residue(holdingFor: facts) : nil
            let found = try kernel.decide(facts, holding: holding, generation: generation)
            note(found, expected(program, facts, isAnswered: isAnswered), facts, program)
            answered += isAnswered ? 1 : 0
        }
    }

    private func expected(
        _ program: SelectorProgram, _ facts: ProcessFacts, isAnswered: Bool,
    ) -> (slot: Int?, identity: IdentityHandle) {
        let slot = isAnswered ? program.firstMatch(facts) : program.candidates(facts).first
        guard let slot else { return (nil, .none) }
        let waits = !isAnswered && program.slots[slot].selector.needsUserSpace
        return (slot, waits ? .undecided : identities[program.slots[slot].workloadID] ?? .unknown)
    }

    private mutating func note(
        _ found: KernelDecision, _ expected: (slot: Int?, identity: IdentityHandle), _ facts: ProcessFacts,
        _ program: SelectorProgram,
    ) {
        switch expected.identity {
        case .none: unmatched += 1
        case .undecided: undecided += 1
        default: matched += 1
        }
        if let slot = expected.slot { slots.insert(slot) }
        guard found.slot != expected.slot || found.identity != expected.identity, disagreements.count < 5 else {
            return
        }
        let shown = [found.slot, expected.slot].compactMap { $0.map { program.slots[$0].selector.conditions } }
        disagreements.append("kernel \(found), matcher \(expected), pair \(pairs): \(facts) and \(shown)")
    }
}
