import Limits

/// Two identities that cannot be in force together.
package struct Conflict: Hashable, Sendable, CustomStringConvertible {
    /// `metadata.name` of both, the lesser one first.
    package let names: [String]
    package let agentGroup: String
    package let cause: Cause

    /// What both claim.
    package enum Cause: Hashable, Sendable {
        /// These selectors (places in `spec.selectors`, from 0) can match one process, and neither is stronger.
        case equallyStrong(first: Int, second: Int)
        /// Both name this workload in one group.
        case sameWorkload(WorkloadName)
        /// Both can name one workload in one group: an ID or template each.
        case meetingTemplates(WorkloadName, WorkloadName)
    }

    package var description: String {
        let both = "WorkloadIdentity \(names[0]) and \(names[1]) of agent group \(agentGroup)"
        return switch cause {
        case .equallyStrong(let first, let second):
            "\(both) can match the same process: spec.selectors[\(first)] and spec.selectors[\(second)] are equally specific and of "
                + "equal priority; add a key to one of them, or set spec.priority"
        case .sameWorkload(let workloadID):
            "\(both) have the same spec.workloadID \(workloadID); put the selectors of both into one of them"
        case .meetingTemplates(let first, let second):
            "\(both) can name the same workload: spec.workloadID \(first) and \(second); begin one of them differently"
        }
    }
}

extension Precedence {
    /// More are not looked for: an operator needs one to begin with.
    package static let maximumConflicts = Limits.Manifests.conflicts

    /// - Returns: one conflict for each pair of identities, at most ``maximumConflicts`` a group, ordered by names; empty where all may be
    ///   in force together.
    package static func conflicts(in identities: [WorkloadIdentity]) -> [Conflict] {
        Dictionary(grouping: identities, by: \.agentGroup).sorted { $0.key < $1.key }.flatMap { group, members in
            ConflictSearch(members.sorted { $0.name < $1.name }, of: group).conflicts
        }
    }

    /// The same where it is known of all but a few that they may be in force together.
    ///
    /// - Parameter suspects: names of identities. Conflicts between two others are not looked for.
    package static func conflicts(of suspects: Set<String>, in identities: [WorkloadIdentity]) -> [Conflict] {
        // Each suspect is compared with everybody: soon dearer than a search.
        guard suspects.count <= 8 else { return conflicts(in: identities) }
        let newcomers = identities.filter { suspects.contains($0.name) }.map(Newcomer.init)
        return conflicts(
            in: identities.filter { identity in
                suspects.contains(identity.name) || newcomers.contains { $0.mayConflict(with: identity) }
            })
    }

    /// Whether it is certain that no process matches both.
    static func areDisjoint(_ left: Selector, _ right: Selector) -> Bool {
        left.conditions.contains { key, condition in
            guard !key.isSet, let other = right.conditions[key] else { return false }
            return condition.isDisjoint(with: other)
        }
    }
}

extension Condition {
    /// Whether it is certain that no value fits both.
    fileprivate func isDisjoint(with other: Condition) -> Bool {
        if !anyOf.isEmpty, anyOf.allSatisfy(other.excludes) { return true }
        if !other.anyOf.isEmpty, other.anyOf.allSatisfy(excludes) { return true }
        guard !anyOf.isEmpty, !other.anyOf.isEmpty else { return false }
        let theirs = other.anyOf.map(\.compared)
        return !anyOf.map(\.compared).contains { mine in theirs.contains { mine.meets($0) } }
    }

    /// Whether nothing that fits the pattern is let by.
    func excludes(_ pattern: Pattern) -> Bool { noneOf.contains { $0.compared.covers(pattern.compared) } }
}
