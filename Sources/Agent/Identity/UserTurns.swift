import Limits

/// What waits to be done for users' processes: of one user in the order it came, users in turns, and nobody with more of it under way
/// than is left for others. Pure bookkeeping.
///
/// Nothing is dropped: what waits already does not wait twice, so it is bounded by what there is. What is not there any more is taken out
/// when a user has much of it.
struct UserTurns<Element: Hashable & Sendable>: Sendable {
    private let atOnce: Int
    private var lines: [UInt32: UserLine<Element>] = [:]
    /// Users for whom something waits; the first one's turn is next.
    private var turns: [UInt32] = []
    private var underWay = 0

    /// - Parameter atOnce: under way for all users together; at least one.
    init(atOnce: Int) { self.atOnce = max(1, atOnce) }

    /// How much waits for a user.
    func waiting(for user: UInt32) -> Int { lines[user]?.known.count ?? 0 }

    /// - Parameter isThere: false for what need not be done any more.
    mutating func add(_ element: Element, of user: UInt32, while isThere: (Element) -> Bool) {
        var line = lines[user] ?? UserLine()
        guard line.known.insert(element).inserted else { return }
        if line.known.count == 1 { turns.append(user) }
        line.waiting.append(element)
        if line.known.count > line.look { line.keep(isThere) }
        lines[user] = line
    }

    /// - Returns: what is to begin now; nil where nothing waits, or enough is under way.
    mutating func next() -> (element: Element, user: UInt32)? {
        let free = atOnce - underWay
        guard free > 0 else { return nil }
        // Who has nothing under way goes first.
        guard let turn = turns.firstIndex(where: { own($0) == 0 }) ?? turns.firstIndex(where: { own($0) < free })
        else { return nil }
        let user = turns.remove(at: turn)
        guard let element = lines[user]?.begin() else { return nil }
        underWay += 1
        if waiting(for: user) > 0 { turns.append(user) }
        return (element, user)
    }

    mutating func ended(of user: UInt32) {
        guard lines[user] != nil else { return }
        underWay -= 1
        lines[user]?.underWay -= 1
        if lines[user]?.isIdle == true { lines[user] = nil }
    }

    private func own(_ user: UInt32) -> Int { lines[user]?.underWay ?? 0 }
}

/// What waits of one user, and how much of his is under way.
private struct UserLine<Element: Hashable & Sendable>: Sendable {
    var waiting = PlacedQueue<Element>()
    var known: Set<Element> = []
    var underWay = 0
    /// Waiting when it is looked for what is not there any more.
    var look = Limits.Queues.ended

    var isIdle: Bool { underWay == 0 && known.isEmpty }

    mutating func begin() -> Element? {
        guard let element = waiting.popFirst() else { return nil }
        known.remove(element)
        underWay += 1
        return element
    }

    /// So seldom that each one added costs O(1), amortized.
    mutating func keep(_ isThere: (Element) -> Bool) {
        var left = PlacedQueue<Element>()
        while let element = waiting.popFirst() {
            if isThere(element) { left.append(element) } else { known.remove(element) }
        }
        waiting = left
        look = max(Limits.Queues.ended, 2 * known.count)
    }
}
