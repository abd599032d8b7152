import Testing

@testable import Limits

@Suite("Repeated events")
struct RepeatedEventsTests {
    private typealias Events = RepeatedEvents<Name, Int, String>

    @Test func `the first is told at once, the others of its window together`() {
        var events = Events()
        #expect(events.note("a", kind: 1, "first") == .init(due: 1, place: 1))
        for place in 2...100 { #expect(events.note("a", kind: 1, "n\(place)") == .init(due: nil, place: place)) }
        let due = events.endWindow()
        #expect(due.map(\.sample) == ["n100"] && due.map(\.count) == [99])
        #expect(events.endWindow().isEmpty)
    }

    @Test func `one that goes on is told of once a window`() {
        var events = Events()
        _ = events.note("a", kind: 1, "x")
        _ = events.endWindow()
        for _ in 1...3 {
            for _ in 1...5 { #expect(events.note("a", kind: 1, "x").due == nil) }
            #expect(events.endWindow().map(\.count) == [5])
        }
        _ = events.endWindow()
        #expect(events.note("a", kind: 1, "x").due == 1)
    }

    @Test func `however many sources there are, records are bounded and nothing is left out of the count`() {
        var events = Events(limit: 10)
        var records = 0, counted = 0
        for window in 1...20 {
            for source in 1...1000 {
                if let due = events.note("\(window)/\(source)", kind: source % 2, "x", count: 3).due {
                    records += 1
                    counted += due
                }
            }
            for (_, count) in events.endWindow() {
                records += 1
                counted += count
            }
        }
        #expect(counted == 20 * 1000 * 3)
        #expect(records == 20 * (10 + 2))
    }

    @Test func `whoever is many sources leaves records for others`() {
        var events = Events(limit: 16)
        var own = 0
        for number in 0..<1000 where events.note("flood/\(number)", kind: 1, "x").due != nil { own += 1 }
        #expect(own == 8)
        #expect(events.note("a", kind: 1, "x").due == 1 && events.note("b", kind: 1, "x").due == 1)
        #expect(events.endWindow().map(\.count) == [992])
        #expect(events.note("flood/2000", kind: 1, "x").due == 1)
    }

    /// What is before a slash pays.
    struct Name: RepeatedSource, ExpressibleByStringInterpolation {
        let text: String

        init(stringLiteral text: String) { self.text = text }

        var payer: String { text.hasPrefix("flood") ? "flood" : text }
    }
}
