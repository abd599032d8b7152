/// Two identities that cannot be in force together.
package struct Conflict: Hashable, Sendable, CustomStringConvertible {
    /// `metadata.name` of both, the lesser one first.
    package let names: [String]
    package let agentGroup: String
    package let cause: Cause

    package enum Cause: Hashable, Sendable {
        /// These selectors (places in `spec.selectors`, from 0) can match one process, and neither is stronger.
        case equallyStrong(first: Int, second: Int)
        /// Both name this workload in one group.
        case sameWorkload(String)
    }

    package var description: String {
        let both = "WorkloadIdentity \(names[0]) and \(names[1]) of agent group \(agentGroup)"
        return switch cause {
        case .equallyStrong(let first, let second):
            "\(both) can match the same process: spec.selectors[\(first)] and spec.selectors[\(second)] are equally specific and of "
                + "equal priority; add a key to one of them, or set spec.priority"
        case .sameWorkload(let workloadID):
            "\(both) have the same spec.workloadID \(workloadID); put the selectors of both into one of them"
        }
    }
}

extension Precedence {
    /// - Returns: one conflict for each pair of identities, ordered by names; empty where all may be in force together.
    package static func conflicts(in identities: [WorkloadIdentity]) -> [Conflict] {
        Dictionary(grouping: identities, by: \.agentGroup).sorted { $0.key < $1.key }.flatMap { group, members in
            pairs(members.sorted { $0.name < $1.name }).compactMap { conflict(between: $0, and: $1, in: group) }
        }
    }

    private static func pairs(_ all: [WorkloadIdentity]) -> some Sequence<(WorkloadIdentity, WorkloadIdentity)> {
        all.indices.lazy.flatMap { first in all[(first + 1)...].lazy.map { (all[first], $0) } }
    }

    private static func conflict(
        between left: WorkloadIdentity, and right: WorkloadIdentity, in group: String
    ) -> Conflict? {
        if left.workloadID == right.workloadID {
            return Conflict(names: [left.name, right.name], agentGroup: group, cause: .sameWorkload(left.workloadID))
        }
        guard left.priority == right.priority else { return nil }
        for (first, one) in left.selectors.enumerated() {
            for (second, other) in right.selectors.enumerated()
            where Specificity(of: one) == Specificity(of: other) && !areDisjoint(one, other) {
                let cause = Conflict.Cause.equallyStrong(first: first, second: second)
                return Conflict(names: [left.name, right.name], agentGroup: group, cause: cause)
            }
        }
        return nil
    }

    /// Whether it is certain that no process matches both.
    static func areDisjoint(_ left: Selector, _ right: Selector) -> Bool {
        if let left = left.userIDs, let right = right.userIDs, Set(left).isDisjoint(with: right) { return true }
        if let left = left.names, let right = right.names, Set(left).isDisjoint(with: right) { return true }
        guard let left = left.commandLines, let right = right.commandLines else { return false }
        return !left.contains { one in right.contains { one.starts(with: $0) || $0.starts(with: one) } }
    }
}
