import ControlPlaneAPI
import Limits
import SPIFFE

/// Audit events that wait, in the order of their numbers, within so many bytes. Where there is no room the account that holds most loses the
/// newest one of whichever of its IDs has most: so nobody loses any who holds no more than an equal share of the room, and no ID that has no
/// more than an equal share of its account's, whatever the others do.
///
/// O(log n) for each event, amortized.
struct AuditBacklog: Sendable {
    typealias Holder = AuditPayer

    private struct Place {
        /// nil: it was lost after it had been taken.
        var event: AgentAuditEvent?
        let number: UInt64
        let holder: Holder
        var bytes: Int
    }

    private let capacity: Int
    private let origin: AuditPayer.Origins
    /// The first one has an event.
    private var places = PlacedQueue<Place>()
    private var own: [Holder: PlacedQueue<Int>] = [:]
    private var held = LargestHolder<Holder.Account>()
    private var ofAccount: [Holder.Account: LargestHolder<SPIFFEID?>] = [:]
    private(set) var bytes = 0
    private(set) var count = 0

    init(capacity: Int, origin: @escaping AuditPayer.Origins) {
        self.capacity = capacity
        self.origin = origin
    }

    var first: AuditReport.Event? { places.range.first.flatMap(event) }

    /// - Parameter event: has a greater number than those before.
    /// - Returns: whose events are lost, one for each; it may be this one.
    mutating func add(_ event: AuditReport.Event) -> [Holder] {
        let place = Place(
            event: event.event, number: event.number, holder: AuditPayer(of: event.event, by: origin),
            bytes: event.event.jsonBytes)
        var losers: [Holder] = []
        while bytes + place.bytes > capacity {
            guard let loser = loser(for: place) else { return losers + [place.holder] }
            dropNewest(of: loser)
            losers.append(loser)
        }
        append(place)
        if !losers.isEmpty { compact() }
        return losers
    }

    /// nil: nobody has more than the one that comes would.
    private mutating func loser(for place: Place) -> Holder? {
        let account = place.holder.account
        if let largest = held.largest(), largest.amount > held[account] + place.bytes {
            return ofAccount[largest.holder]?.largest().map { Holder(account: largest.holder, id: $0.holder) }
        }
        guard let own = ofAccount[account]?.largest(),
            own.amount > (ofAccount[account]?[place.holder.id] ?? 0) + place.bytes
        else { return nil }
        return Holder(account: account, id: own.holder)
    }

    private mutating func count(_ change: Int, for holder: Holder) {
        held.add(change, to: holder.account)
        ofAccount[holder.account, default: LargestHolder()].add(change, to: holder.id)
        if held[holder.account] == 0 { ofAccount[holder.account] = nil }
        bytes += change
    }

    /// What waits from this number on.
    func events(from number: UInt64) -> [AuditReport.Event] {
        (places.partition { $0.number >= number }..<places.range.upperBound).compactMap(event)
    }

    /// The oldest ones that fit, and the number of the first one that does not.
    func oldest(_ limit: Int, bytes room: Int) -> (events: [AuditReport.Event], next: UInt64?) {
        var events: [AuditReport.Event] = []
        var size = 0
        for place in places.range {
            guard let event = event(at: place) else { continue }
            size += places[place].bytes
            guard events.count < limit, size <= room else { return (events, event.number) }
            events.append(event)
        }
        return (events, nil)
    }

    mutating func removeAll(below number: UInt64) {
        while let first, first.number < number { removeFirst() }
    }

    /// - Parameter event: counts for the same holder; nil: there is none.
    mutating func replaceFirst(with event: AgentAuditEvent?) {
        guard let event, let place = places.range.first else { return removeFirst() }
        let more = event.jsonBytes - places[place].bytes
        places[place].event = event
        places[place].bytes += more
        count(more, for: places[place].holder)
    }

    private func event(at place: Int) -> AuditReport.Event? {
        let place = places[place]
        return place.event.map { AuditReport.Event(number: place.number, event: $0) }
    }

    private mutating func append(_ place: Place) {
        own[place.holder, default: PlacedQueue()].append(places.append(place))
        count(place.bytes, for: place.holder)
        count += 1
    }

    private mutating func removeFirst() {
        guard let place = places.range.first else { return }
        _ = own[places[place].holder]?.popFirst()
        forget(place)
    }

    private mutating func dropNewest(of holder: Holder) {
        if let place = own[holder]?.popLast() { forget(place) }
    }

    private mutating func forget(_ place: Int) {
        let (holder, size) = (places[place].holder, places[place].bytes)
        places[place].event = nil
        count(-size, for: holder)
        if own[holder]?.range.isEmpty ?? true { own[holder] = nil }
        count -= 1
        while let first = places.range.first, places[first].event == nil { _ = places.popFirst() }
    }

    /// Places of lost events are taken out once they are the greater part.
    private mutating func compact() {
        guard places.range.count > 64, places.range.count > 2 * count else { return }
        let live = places.range.map { places[$0] }.filter { $0.event != nil }
        self = AuditBacklog(capacity: capacity, origin: origin)
        for place in live { append(place) }
    }
}
