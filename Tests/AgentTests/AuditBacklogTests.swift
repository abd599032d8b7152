import ControlPlaneAPI
import Foundation
import Limits
import SPIFFE
import Testing

@testable import Agent

@Suite("Audit backlog") struct AuditBacklogTests {
    @Test func `whoever floods loses its own events and nobody else's`() {
        var queue = AuditQueue(capacity: 64 << 10)
        var numbers: Set<UInt64> = []
        for round in 0..<2000 {
            for _ in 0..<10 { queue.add(Self.event(of: "flood")) }
            if round % 200 == 0 {
                numbers.insert(queue.next)
                queue.add(Self.event(of: "victim"))
            }
        }
        #expect(Set(Self.numbers(of: "victim", in: queue)) == numbers && numbers.count == 10)
        #expect(queue.takeLosses().map(\.holder) == [Self.id("flood")])
        #expect(UInt64(queue.lost + queue.count) == queue.next)
    }

    @Test func `those without an identity have one share together, however many they are`() {
        var queue = AuditQueue(capacity: 64 << 10)
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
        #expect(queue.takeLosses().map(\.holder) == [nil])
    }

    @Test func `what a stop left beyond the room is brought down by the same rule`() {
        let events = (0..<200).map { number in
            AuditReport.Event(number: UInt64(number), event: Self.event(of: number % 20 == 0 ? "victim" : "flood"))
        }
        let queue = AuditQueue(id: "q", acknowledged: 0, next: 210, waiting: events, capacity: 64 << 10)
        #expect(Self.numbers(of: "victim", in: queue) == (0..<10).map { UInt64($0 * 20) })
        #expect(queue.count + queue.lost == 210)
    }

    @Test func `an event that made room while it was on its way is not another's loss`() throws {
        var queue = AuditQueue(capacity: 4000)
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
        var queue = AuditQueue(capacity: capacity)
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
        _ losses: [(holder: SPIFFEID?, count: Int)], for event: AgentAuditEvent, _ before: [SPIFFEID?: Int],
        _ capacity: Int,
    ) {
        let mine = before[event.cause, default: 0] + event.jsonBytes
        let largest = max(mine, before.filter { $0.key != event.cause }.values.max() ?? 0)
        for loser in losses {
            let had = loser.holder == event.cause ? mine : before[loser.holder, default: 0]
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

    private static func event(of workload: String?, bytes: Int = 0) -> AgentAuditEvent {
        AgentAuditEvent(
            time: .now, type: .processIdentified, spiffeID: workload.flatMap(id),
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
