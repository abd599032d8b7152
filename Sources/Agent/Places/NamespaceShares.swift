import Limits

/// How many network namespaces each user may have served: there is room for so many, and whoever makes user namespaces makes as many
/// network namespaces as he likes.
struct NamespaceShares {
    private var taken: [UInt32: Int] = [:]
    private var total = 0
    /// Users who were told of as beyond their share, until they are within it again.
    private var told: Set<UInt32> = []
    private let ofUser: Int
    private let inAll: Int

    init(ofUser: Int = Limits.Namespaces.ofUser, inAll: Int = Limits.Namespaces.inAll) {
        self.ofUser = ofUser
        self.inAll = inAll
    }

    /// Whether he has as many as he may, or as are left for all others.
    func isUsedUp(by user: UInt32) -> Bool { taken[user, default: 0] >= min(ofUser, inAll - total) }

    /// - Parameter user: nil: the host's own, which is counted against nobody.
    /// - Returns: false: his share is used up.
    mutating func take(for user: UInt32?) -> Bool {
        if let user {
            guard !isUsedUp(by: user) else { return false }
            taken[user, default: 0] += 1
        }
        total += 1
        return true
    }

    mutating func giveBack(_ user: UInt32?) {
        total -= 1
        guard let user else { return }
        let left = taken[user, default: 1] - 1
        taken[user] = left > 0 ? left : nil
        told.remove(user)
    }

    /// - Returns: how many he has, once, until he gives one back.
    mutating func newlyBeyond(_ user: UInt32) -> Int? { told.insert(user).inserted ? taken[user, default: 0] : nil }
}
