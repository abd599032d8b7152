import Kernel
import Workloads

/// One policy, and what its slots ask that only user space can find out.
struct Questions: Sendable {
    /// nil: not in force yet.
    var generation: PolicyGeneration?
    let matcher: Matcher
    /// Only those that ask, or whose workload ID does.
    private let slots: [(index: Int, keys: Set<SelectorKey>)]

    /// What rests on other processes, and so on the policy.
    static let kin: Set<SelectorKey> = [.parent, .ancestor]

    init(_ matcher: Matcher, generation: PolicyGeneration?) {
        self.matcher = matcher
        self.generation = generation
        slots = matcher.program.slots.enumerated().compactMap { index, slot in
            var keys = slot.userSpaceKeys
            if keys.contains(.scriptHash) { keys.insert(.scriptPath) }
            return keys.isEmpty ? nil : (index, keys)
        }
    }

    var program: SelectorProgram { matcher.program }

    /// What has to be found of a process: for every slot that this image could come to match, as its credentials may
    /// change after the kernel part was answered.
    func keys(for facts: ProcessFacts) -> Set<SelectorKey> {
        slots.reduce(into: []) { keys, slot in
            if !slot.keys.isSubset(of: keys), program.couldMatch(facts, slot: slot.index) { keys.formUnion(slot.keys) }
        }
    }

    /// Whether the kernel part may have to ask about it.
    func needsAnswer(for facts: ProcessFacts) -> Bool {
        slots.contains {
            program.slots[$0.index].selector.needsUserSpace && program.couldMatch(facts, slot: $0.index)
        }
    }
}

/// Slots whose user-space keys hold, worked out once for all processes of which the same was found.
struct Residues {
    private struct Basis: Hashable {
        let executable: ProcessFacts.Executable
        let script: ProcessFacts.Script?
    }

    private let program: SelectorProgram
    private var worked: [Basis: [Int]] = [:]

    init(of program: SelectorProgram) { self.program = program }

    /// - Parameter facts: of a process that matches no slot that asks for parents or ancestors.
    mutating func slots(holdingFor facts: ProcessFacts) -> [Int] {
        let basis = Basis(executable: facts.executable, script: facts.script)
        if let slots = worked[basis] { return slots }
        let slots = program.residue(holdingFor: facts)
        worked[basis] = slots
        return slots
    }
}
