/// Which of two bounds an agent group has come to: its own, or that of all groups, of which none has more than are left for others.
package enum Bound: Equatable, Sendable {
    case ofGroup(Int)
    case inAll(Int, free: Int)

    /// nil: neither.
    init?(reachedBy own: Int, of group: Int, free: Int, of all: Int) {
        if own >= group {
            self = .ofGroup(group)
        } else if free <= 0 || own > 0 && own >= free {
            self = .inAll(all, free: max(0, free))
        } else {
            return nil
        }
    }

    /// - Parameter name: of the bounds in docs/limits.md.
    func text(_ name: String) -> String {
        switch self {
        case .ofGroup(let limit): "\(limit) are the most of one group (\(name).ofGroup)"
        case .inAll(let limit, let free):
            "of the \(limit) of all groups (\(name).inAll) \(free) are left, and no group has more than are left for others"
        }
    }
}
