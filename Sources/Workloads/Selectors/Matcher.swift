/// Decides which identity a process has. Pure; the kernel part decides the same from the same ``SelectorProgram``.
package struct Matcher: Sendable, Equatable {
    package let program: SelectorProgram
    private let index: SelectorIndex
    private let undecided: SelectorIndex

    /// How many selectors that do not match are told of.
    package static let nearMisses = 5

    package init(program: SelectorProgram) {
        self.program = program
        index = SelectorIndex(program.slots)
        undecided = SelectorIndex(program.slots, of: { !$0.userSpaceKeys.isEmpty }, by: \.isDecidedByKernel)
    }

    package init(_ identities: [WorkloadIdentity]) {
        self.init(program: SelectorProgram(compiling: identities))
    }

    package func match(_ facts: ProcessFacts) -> Match {
        guard let slot = firstMatch(facts).map({ program.slots[$0] }) else {
            return .unmanaged(nearest: nearest(to: facts))
        }
        let because = slot.selector.evidence(for: facts)
        return switch Verdict(slot, on: facts) {
        case .workload(let workloadID): .workload(workloadID: workloadID, because: because)
        case .nameless(let template, let reason): .nameless(template: template, reason: reason, because: because)
        case .unmanaged: .unmanaged(nearest: [])
        }
    }

    /// The same decision without its evidence: for many processes at once.
    package func verdict(on facts: ProcessFacts) -> Verdict {
        firstMatch(facts).map { Verdict(program.slots[$0], on: facts) } ?? .unmanaged
    }

    /// The slot that names the process's identity, as ``SelectorProgram/firstMatch(_:)`` finds it.
    package func firstMatch(_ facts: ProcessFacts) -> Int? {
        index.candidates(for: facts).first { program.slots[$0].selector.matches(facts) }
    }

    /// Whether a slot is left of which only user space knows whether it matches, or which ID it gives this process.
    package func needsUserSpace(_ facts: ProcessFacts) -> Bool {
        undecided.candidates(for: facts).contains { program.slots[$0].selector.kernelKeysHold(for: facts) }
    }

    package static func == (left: Matcher, right: Matcher) -> Bool { left.program == right.program }

    private func nearest(to facts: ProcessFacts) -> [NearMiss] {
        let ranked = program.slots.indices.map { (Nearness(of: program.slots[$0].selector, to: facts, place: $0), $0) }
        return ranked.sorted { $0.0 < $1.0 }.prefix(Self.nearMisses).map { _, index in
            let slot = program.slots[index]
            return NearMiss(workloadID: slot.workloadID, evidence: slot.selector.evidence(for: facts))
        }
    }
}

/// Most keys right first; among those the longest common beginning of the command line, then of the other keys that fail, then precedence.
private struct Nearness: Comparable {
    var right = 0
    var words = 0
    var bytes = 0
    let place: Int

    init(of selector: Selector, to facts: ProcessFacts, place: Int) {
        self.place = place
        for (key, condition) in selector.conditions {
            let fact = facts.fact(for: key)
            if condition.holds(for: fact) {
                right += 1
            } else {
                words += condition.anyOf.map { $0.commonWords(with: fact) }.max() ?? 0
                bytes = max(bytes, condition.anyOf.map { $0.commonBytes(with: fact) }.max() ?? 0)
            }
        }
    }

    static func < (left: Self, right: Self) -> Bool {
        (-left.right, -left.words, -left.bytes, left.place) < (-right.right, -right.words, -right.bytes, right.place)
    }
}

extension Pattern {
    fileprivate func commonWords(with fact: Fact) -> Int {
        guard case .words(let words, _) = self, case .words(let arguments, _) = fact else { return 0 }
        return zip(words, arguments).prefix { $0.hasSameBytes(as: $1) }.count
    }

    fileprivate func commonBytes(with fact: Fact) -> Int {
        let texts: [String] =
            switch fact {
            case .text(let text, _): [text]
            case .texts(let all): all
            default: []
            }
        switch self {
        case .text(let wanted), .prefix(let wanted):
            return texts.map { zip(wanted.namedBytes, $0.namedBytes).prefix { $0 == $1 }.count }.max() ?? 0
        default: return 0
        }
    }
}

extension Selector {
    /// One entry a key that is given, in canonical order.
    package func evidence(for facts: ProcessFacts) -> [Evidence] {
        let asked = conditions.sorted { $0.key < $1.key }.map { key, condition in
            Evidence(
                key: key.description, grade: key.grade, expected: condition.summary,
                actual: facts.text(for: key), holds: condition.holds(for: facts.fact(for: key)),
            )
        }
        return asked + (namesBinary ? [] : facts.runtimeEvidence)
    }
}

extension ProcessFacts {
    /// What it has for a key, for reading.
    fileprivate func text(for key: SelectorKey) -> String {
        switch fact(for: key) {
        case .number(let number): "\(number)"
        case .numbers(let all): all.isEmpty ? "none" : all.map(String.init).joined(separator: ", ")
        case .text(let text, let isCut):
            (text.isEmpty ? "none" : text) + (isCut ? " …" : "")
        case .texts(let all): all.isEmpty ? "none" : all.joined(separator: ", ")
        case .words: commandLine
        case .absent: "none"
        case .unknown: unknownText(for: key)
        }
    }

    private func unknownText(for key: SelectorKey) -> String {
        switch key {
        case .additionalGroupID: "more than \(Self.maximumAdditionalGroups) groups, so none is looked at"
        case .binaryPath: "\(executable.path), in a mount namespace of its own"
        case .scriptPath where executable.pathIsForeign:
            "\(script?.path ?? "none"), in a mount namespace of its own"
        default: "not known"
        }
    }
}

extension ProcessFacts {
    /// What every selector asks of a runtime that hides its processes.
    fileprivate var runtimeEvidence: [Evidence] {
        guard hidesProcesses else { return [] }
        let runtime = HidingRuntime(executable: executable.path)?.rawValue ?? "a runtime"
        return [
            Evidence(
                key: "process:binary:path or process:binary:hash", grade: .attested,
                expected: "the very binary, as it hides its processes", actual: "\(executable.path): \(runtime)",
                holds: false)
        ]
    }
}
