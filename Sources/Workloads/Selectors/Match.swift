package import SPIFFE

/// Which identity a process runs as, and why.
package enum Match: Hashable, Sendable, Codable {
    /// - Parameters:
    ///   - workloadID: the winner's, with its places filled.
    ///   - because: each key of the winning selector with what it found.
    case workload(workloadID: SPIFFEPath, because: [Evidence])
    /// The winner's ID has places this process cannot fill: refused, not guessed, and no weaker selector is asked.
    case nameless(template: WorkloadName, reason: String, because: [Evidence])
    /// No selector matches. `nearest` is ranked: most keys right first.
    case unmanaged(nearest: [NearMiss])

    /// The winner's, where there is one.
    package var workloadID: SPIFFEPath? {
        if case .workload(let workloadID, _) = self { workloadID } else { nil }
    }
}

/// Which identity a process runs as, without the why.
package enum Verdict: Hashable, Sendable {
    case workload(workloadID: SPIFFEPath)
    case nameless(template: WorkloadName, reason: String)
    case unmanaged

    /// Of the slot that matches.
    init(_ slot: SelectorProgram.Slot, on facts: ProcessFacts) {
        do {
            self = .workload(workloadID: try slot.workloadID.expand(facts))
        } catch {
            self = .nameless(template: slot.workloadID, reason: "\(error)")
        }
    }

    package var workloadID: SPIFFEPath? {
        if case .workload(let workloadID) = self { workloadID } else { nil }
    }
}

/// One key of a selector, held against a process.
package struct Evidence: Hashable, Sendable, Codable {
    /// As in the manifest: `process:uid`.
    package var key: String
    package var grade: Grade
    /// What the manifest asks, as an operator would write it.
    package var expected: String
    /// What the process has.
    package var actual: String
    package var holds: Bool

    /// How much a fact proves.
    package enum Grade: String, Sendable, Codable {
        /// The kernel vouches for it.
        case attested
        /// The process, or whoever started it, chose it.
        case claimed
    }

    package init(key: String, grade: Grade, expected: String, actual: String, holds: Bool) {
        self.key = key
        self.grade = grade
        self.expected = expected
        self.actual = actual
        self.holds = holds
    }
}

/// A selector that does not match, key by key.
package struct NearMiss: Hashable, Sendable, Codable {
    package var workloadID: WorkloadName
    package var evidence: [Evidence]

    package init(workloadID: WorkloadName, evidence: [Evidence]) {
        self.workloadID = workloadID
        self.evidence = evidence
    }

    /// The keys that failed.
    package var failing: [Evidence] { evidence.filter { !$0.holds } }
}
