import ControlPlaneAPI
import Foundation
import Limits
import SPIFFE
import Testing

@testable import Agent

@Suite("Audit backlog") struct AuditBacklogTests {
    @Test func `whoever floods loses its own events and nobody else's`() {
        var queue = AuditQueue(capacity: 64 << 10, origin: Self.origin)
        var numbers: Set<UInt64> = []
        for round in 0..<2000 {
            for _ in 0..<10 { queue.add(Self.event(of: "flood")) }
            if round % 200 == 0 {
                numbers.insert(queue.next)
                queue.add(Self.event(of: "victim"))
            }
        }
        #expect(Set(Self.numbers(of: "victim", in: queue)) == numbers && numbers.count == 10)
        #expect(queue.takeLosses().map(\.holder.id) == [Self.id("flood")])
        #expect(UInt64(queue.lost + queue.count) == queue.next)
    }

    @Test func `those without an identity have one share together, however many they are`() {
        var queue = AuditQueue(capacity: 64 << 10, origin: Self.origin)
        for round in 0..<1000 {
            var event = Self.event(of: nil)
            event.reason = "from \(round)"
            queue.add(event)
            // What came in is its peer's doing, and not that of the workload that it came to.
            var call = AgentAuditEvent(time: .now, type: .connectionInbound, spiffeID: Self.id("victim"))
            call.reason = "in \(round)"
            queue.add(call)
            queue.add(AgentAuditEvent(time: .now, type: .connectionClosed, spiffeID: Self.id("victim"), reason: "over"))
            if round % 100 == 0 { queue.add(Self.event(of: "victim")) }
        }
        #expect(Self.numbers(of: "victim", in: queue).count == 10)
        #expect(queue.takeLosses().map(\.holder.id) == [nil])
    }

    @Test
    func `one user's IDs of a template are one, however many, and displace neither another user's nor each other's`() {
        var queue = AuditQueue(capacity: 64 << 10, origin: Self.origin)
        for round in 0..<2000 {
            queue.add(Self.event(of: "jobs/\(round)", user: 1000))
            queue.add(Self.event(of: "jobs/loud", user: 1000))
            guard round % 200 == 0 else { continue }
            queue.add(Self.event(of: "jobs/other", user: 1001))
            queue.add(Self.event(of: "victim"))
        }
        #expect(Self.numbers(of: "victim", in: queue).count == 10)
        #expect(Self.numbers(of: "jobs/other", in: queue).count == 10)
        // Of one account those with least stay.
        #expect(Self.numbers(of: "jobs/0", in: queue).count == 1)
        #expect(
            queue.takeLosses().allSatisfy { $0.holder.account == .template("jobs/{{process:binary:hash}}", user: 1000) }
        )
    }

    @Test func `the peers at one address are one, and so are IDs that no identity gives any more`() {
        var queue = AuditQueue(capacity: 64 << 10, origin: Self.origin)
        for round in 0..<2000 {
            queue.add(Self.call(from: "10.0.0.1:\(round)", as: "x/\(round)"))
            queue.add(Self.event(of: "former/\(round)"))
            if round % 200 == 0 { queue.add(Self.call(from: "10.0.0.2:\(round)", as: "victim")) }
        }
        #expect(Self.numbers(of: "victim", in: queue).count == 10)
        #expect(Set(queue.takeLosses().map(\.holder.account)) == [.host("10.0.0.1"), .former])
    }

    private static func call(from source: String, as peer: String) -> AgentAuditEvent {
        AgentAuditEvent(
            time: .now, type: .connectionInbound, spiffeID: id("server"), connection: "\(source)>10.0.0.9:443",
            peer: id(peer))
    }

    @Test func `what a stop left beyond the room is brought down by the same rule`() {
        let events = (0..<200).map { number in
            AuditReport.Event(number: UInt64(number), event: Self.event(of: number % 20 == 0 ? "victim" : "flood"))
        }
        let queue = AuditQueue(
            id: "q", acknowledged: 0, next: 210, waiting: events, capacity: 64 << 10, origin: Self.origin)
        #expect(Self.numbers(of: "victim", in: queue) == (0..<10).map { UInt64($0 * 20) })
        #expect(queue.count + queue.lost == 210)
    }

    @Test func `an event that made room while it was on its way is not another's loss`() throws {
        var queue = AuditQueue(capacity: 4000, origin: Self.origin)
        queue.add(Self.event(of: "flood", bytes: 900))
        let report = try #require(queue.report(atMost: 1))
        queue.add(Self.event(of: "victim"))
        queue.add(Self.event(of: "another"))
        #expect(queue.lost == 1)
        queue.refused(report.events[0], because: "it cannot be taken")
        #expect(queue.events(from: 0).map(\.event.type) == [.processIdentified, .processIdentified])
    }

    /// Against the rules, read plainly.
    @Test(arguments: 0..<10) func `random comings and goings keep every promise`(_ seed: UInt64) {
        var random = SplitMix(state: seed)
        let capacity = 20 << 10
        var queue = AuditQueue(capacity: capacity, origin: Self.origin)
        var taken: [UInt64] = []
        var acknowledged: UInt64 = 0
        var held: [SPIFFEID?: Int] = [:]
        let names: [String?] = [nil, "a", "b", "c", "d", "e"]
        for _ in 0..<600 {
            if Int.random(in: 0..<100, using: &random) == 0, let report = queue.report(atMost: 7) {
                #expect(report.from == acknowledged)
                queue.took(report, AuditReceipt(next: report.end))
                acknowledged = report.end
                taken += report.events.map(\.number)
                held = Self.held(queue)
                continue
            }
            // Some make many events, and large ones.
            let skewed = min(Int.random(in: 0..<6, using: &random), Int.random(in: 0..<6, using: &random))
            let before = held
            let event = Self.event(
                of: names[skewed], bytes: Int.random(in: 0..<(skewed == 1 ? 900 : 300), using: &random))
            queue.add(event)
            held = Self.held(queue)
            Self.check(queue.takeLosses(), for: event, before, capacity)
            #expect(held.values.reduce(0, +) <= capacity)
        }
        while let report = queue.report(atMost: 500) {
            queue.took(report, AuditReceipt(next: report.end))
            taken += report.events.map(\.number)
        }
        #expect(taken == taken.sorted() && Set(taken).count == taken.count)
        #expect(UInt64(taken.count + queue.lost) == queue.next)
        #expect(queue.isEmpty && queue.count == 0)
    }

    @Test(arguments: 0..<20) func `who holds most is known after any changes`(_ seed: UInt64) {
        var random = SplitMix(state: seed)
        var largest = LargestHolder<Int>()
        var plain: [Int: Int] = [:]
        for _ in 0..<5000 {
            let holder = Int.random(in: 0..<30, using: &random)
            let change = Int.random(in: -min(50, plain[holder, default: 0])...50, using: &random)
            largest.add(change, to: holder)
            plain[holder, default: 0] += change
            if Int.random(in: 0..<3, using: &random) == 0 {
                #expect(largest.largest()?.amount == plain.values.max().flatMap { $0 > 0 ? $0 : nil })
            }
        }
    }

    /// Nobody loses any while others have much more, nor with less than an equal share.
    private static func check(
        _ losses: [(holder: AuditPayer, count: Int)], for event: AgentAuditEvent, _ before: [SPIFFEID?: Int],
        _ capacity: Int,
    ) {
        let mine = before[event.cause, default: 0] + event.jsonBytes
        let largest = max(mine, before.filter { $0.key != event.cause }.values.max() ?? 0)
        for loser in losses {
            let had = loser.holder.id == event.cause ? mine : before[loser.holder.id, default: 0]
            // By not more than the events that others lost before it.
            #expect(had > largest - 2 * (Limits.Audit.eventOverhead + 1000))
            #expect(had * Set(before.keys).union([event.cause]).count > capacity - event.jsonBytes)
        }
    }

    private static func held(_ queue: AuditQueue) -> [SPIFFEID?: Int] {
        queue.events(from: 0).reduce(into: [:]) { $0[$1.event.cause, default: 0] += $1.event.jsonBytes }
    }

    private static func numbers(of workload: String, in queue: AuditQueue) -> [UInt64] {
        queue.events(from: 0).filter { $0.event.cause == id(workload) }.map(\.number)
    }

    private static func id(_ name: String) -> SPIFFEID? { try? SPIFFEID("spiffe://prod.example/\(name)") }

    private static let origin: AuditPayer.Origins = { id in
        if id.path.text.hasPrefix("former/") { return .former }
        return id.path.text.hasPrefix("jobs/") ? .template("jobs/{{process:binary:hash}}") : .written
    }

    private static func event(of workload: String?, user: UInt32? = nil, bytes: Int = 0) -> AgentAuditEvent {
        AgentAuditEvent(
            time: .now, type: .processIdentified, spiffeID: workload.flatMap(id),
            process: user.map { ProcessEvidence(pid: 1, startTime: 1, exe: "", argv: [], uid: $0) },
            resource: bytes > 0 ? String(repeating: "x", count: bytes) : nil)
    }
}

/// Steele, Lea and Flood's generator: the same numbers each time.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
