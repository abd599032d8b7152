import ControlPlaneAPI
import Limits
import SPIFFE

/// Audit events that wait, in the order of their numbers, within so many bytes. Where there is no room whoever holds most loses its
/// newest one: so nobody loses any who holds no more than an equal share of the room, whatever the others do.
///
/// O(log n) for each event, amortized.
struct AuditBacklog: Sendable {
    /// Who makes events happen; nil: all together who have proven nothing.
    typealias Holder = SPIFFEID?

    private struct Place {
        /// nil: it was lost after it had been taken.
        var event: AgentAuditEvent?
        let number: UInt64
        let holder: Holder
        var bytes: Int
    }

    private let capacity: Int
    /// The first one has an event.
    private var places = PlacedQueue<Place>()
    private var own: [Holder: PlacedQueue<Int>] = [:]
    private var held = LargestHolder<Holder>()
    private(set) var bytes = 0
    private(set) var count = 0

    init(capacity: Int) { self.capacity = capacity }

    /// How many have an event here.
    var holders: Int { held.count }
    var first: AuditReport.Event? { places.range.first.flatMap(event) }

    func bytes(of holder: Holder) -> Int { held[holder] }

    /// - Parameter event: has a greater number than those before.
    /// - Returns: whose events are lost, one for each; it may be this one.
    mutating func add(_ event: AuditReport.Event) -> [Holder] {
        let place = Place(
            event: event.event, number: event.number, holder: event.event.cause, bytes: event.event.jsonBytes)
        var losers: [Holder] = []
        while bytes + place.bytes > capacity {
            guard let largest = held.largest(), largest.amount > held[place.holder] + place.bytes else {
                return losers + [place.holder]
            }
            dropNewest(of: largest.holder)
            losers.append(largest.holder)
        }
        append(place)
        if !losers.isEmpty { compact() }
        return losers
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
        held.add(more, to: places[place].holder)
        bytes += more
    }

    private func event(at place: Int) -> AuditReport.Event? {
        let place = places[place]
        return place.event.map { AuditReport.Event(number: place.number, event: $0) }
    }

    private mutating func append(_ place: Place) {
        own[place.holder, default: PlacedQueue()].append(places.append(place))
        held.add(place.bytes, to: place.holder)
        bytes += place.bytes
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
        held.add(-size, to: holder)
        if held[holder] == 0 { own[holder] = nil }
        bytes -= size
        count -= 1
        while let first = places.range.first, places[first].event == nil { _ = places.popFirst() }
    }

    /// Places of lost events are taken out once they are the greater part.
    private mutating func compact() {
        guard places.range.count > 64, places.range.count > 2 * count else { return }
        let live = places.range.map { places[$0] }.filter { $0.event != nil }
        self = AuditBacklog(capacity: capacity)
        for place in live { append(place) }
    }
}

extension AgentAuditEvent {
    /// Who made it happen: of what came in the peer, of everything else the local workload; nil where that one has proven nothing.
    var cause: SPIFFEID? {
        switch type {
        case .connectionInbound, .requestInbound: peer
        // Without a process it came in; or it went out, and the process has ended.
        case .connectionClosed where process == nil: peer
        default: spiffeID
        }
    }
}
