import Limits

/// What decides which identity a process has: selectors in order of precedence.
///
/// Of all slots that match a process the first one names its identity, so the order is the whole policy.
package struct SelectorProgram: Sendable, Equatable {
    package var slots: [Slot]

    /// One selector, and whom it makes of a process.
    package struct Slot: Sendable, Equatable {
        package let selector: Selector
        /// Of the identity that it gives.
        package let workloadID: WorkloadName
        /// Facts that decide this slot, or the ID it gives, and that only user space can find out.
        package let userSpaceKeys: Set<SelectorKey>

        package init(selector: Selector, workloadID: WorkloadName) {
            self.selector = selector
            self.workloadID = workloadID
            userSpaceKeys = workloadID.keys.union(selector.conditions.keys).filter { !$0.isDecidedByKernel }
        }
    }

    package init(slots: [Slot]) {
        self.slots = slots
    }

    /// One slot a selector, strongest first; see ``Precedence``.
    package init(compiling identities: [WorkloadIdentity]) {
        self.init(
            slots: Precedence.ordered(identities).map {
                Slot(selector: $0.selector, workloadID: $0.identity.workloadID)
            })
    }
}

extension SelectorProgram {
    package static let maximumSlots = Limits.Selectors.ofGroup
    /// Of distinct N in `process:argv[N]`.
    package static let maximumArgumentIndexes = Limits.Selectors.arguments

    /// Which groups ask more of the kernel part than it holds, for the operator.
    package static func excess(in identities: [WorkloadIdentity]) -> [String] {
        Dictionary(grouping: identities, by: \.agentGroup).sorted { $0.key < $1.key }.flatMap { group, members in
            SelectorProgram(compiling: members).excess.map { "agent group \(group): expected \($0)" }
        }
    }

    private var excess: [String] {
        var findings: [String] = []
        if slots.count > Self.maximumSlots {
            findings.append(
                "at most \(Self.maximumSlots) selectors, found \(slots.count); split the group, or use prefix*")
        }
        let indexes = argumentIndexes
        if indexes.count > Self.maximumArgumentIndexes {
            let list = indexes.map { "[\($0)]" }.joined(separator: " ")
            findings.append(
                "at most \(Self.maximumArgumentIndexes) different N of process:argv[N], found \(indexes.count): \(list); "
                    + "use process:cmdline for the first words",
            )
        }
        return findings
    }

    /// Distinct N of `process:argv[N]`, sorted.
    package var argumentIndexes: [Int] {
        Set(slots.flatMap { $0.selector.conditions.keys.compactMap(\.argumentIndex) }).sorted()
    }

    /// The slot that names the process's identity.
    package func firstMatch(_ facts: ProcessFacts) -> Int? {
        slots.firstIndex { $0.selector.matches(facts) }
    }

    /// Slots that need user space and whose user-space keys all hold, in order.
    package func residue(holdingFor facts: ProcessFacts) -> [Int] {
        slots.indices.filter { index in
            let selector = slots[index].selector
            return selector.needsUserSpace && selector.holds(for: facts) { !$0.isDecidedByKernel }
        }
    }

    /// Whether a slot could come to match while this image of the process runs: only its credentials and its cgroup
    /// change meanwhile, and what user space has to say is taken as said.
    package func couldMatch(_ facts: ProcessFacts, slot: Int) -> Bool {
        slots[slot].selector.holds(for: facts) { $0.isDecidedByKernel && !$0.changesWhileRunning }
            && slots[slot].selector.mayFindItsScript(in: facts)
    }

    /// Slots whose kernel keys all hold, in order; what user space has to say is taken as said.
    package func candidates(_ facts: ProcessFacts) -> [Int] {
        slots.indices.filter { slots[$0].selector.kernelKeysHold(for: facts) }
    }
}

extension Selector {
    /// Every key holds.
    package func matches(_ facts: ProcessFacts) -> Bool { holds(for: facts) { _ in true } }

    /// Every key holds that the kernel part decides.
    func kernelKeysHold(for facts: ProcessFacts) -> Bool {
        holds(for: facts, where: \.isDecidedByKernel) && mayFindItsScript(in: facts)
    }

    /// False where it wants a script and the process runs none for certain: no user space has to be asked.
    func mayFindItsScript(in facts: ProcessFacts) -> Bool { !wantsScript || facts.mayRunScript }

    func holds(for facts: ProcessFacts, where isAsked: (SelectorKey) -> Bool) -> Bool {
        (!facts.hidesProcesses || namesBinary)
            && conditions.allSatisfy { !isAsked($0.key) || $0.value.holds(for: facts.fact(for: $0.key)) }
    }
}

extension SelectorKey {
    var argumentIndex: Int? { if case .argument(let index) = self { index } else { nil } }
}
