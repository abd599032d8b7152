/// Tickets in the order they came. Those that left are skipped, and taken out once they are the greater part.
struct TicketQueue: Sendable {
    private var tickets: [SlotTicket] = []
    private var head = 0
    /// Of those that are still there.
    private(set) var count = 0

    mutating func append(_ ticket: SlotTicket) {
        tickets.append(ticket)
        count += 1
    }

    func first(where isThere: (SlotTicket) -> Bool) -> SlotTicket? { tickets[head...].first(where: isThere) }

    /// - Parameter isThere: false for the one that left.
    mutating func removedOne(_ isThere: (SlotTicket) -> Bool) {
        count -= 1
        while head < tickets.count, !isThere(tickets[head]) { head += 1 }
        guard tickets.count > 16, tickets.count > 2 * count else { return }
        tickets = tickets[head...].filter(isThere)
        head = 0
    }
}

/// One connection's place. Never given twice.
package struct SlotTicket: Hashable, Sendable {
    let number: UInt64
}
