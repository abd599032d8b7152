@testable import Agent
import ControlPlaneAPI
import Limits
import SPIFFE
import Testing

@Suite struct EndpointTellingTests {
    private static func endpoints(_ count: Int, of workload: String = "mine") throws -> [Endpoint] {
        let id = try SPIFFEID("spiffe://test.example/\(workload)")
        return (0..<count).map { Endpoint(address: "10.0.\($0 / 250).\($0 % 250)", port: 80, workload: id) }
    }

    @Test func `everything is told first, in pieces of which the last says so, then what changes`() throws {
        let all = try (0..<6).flatMap { try Self.endpoints(400, of: "w\($0)") }
        var telling = EndpointTelling()
        let pieces = telling.pieces(for: all)
        #expect(pieces.map(\.added.count) == [1000, 1000, 400])
        #expect(pieces.map(\.isWhole) == [false, false, true])
        for piece in pieces { telling.took(piece, EndpointReceipt(refused: [])) }
        #expect(telling.pieces(for: all).isEmpty)
        let change = telling.pieces(for: Array(all.dropFirst()))
        #expect(change.map(\.removed) == [[all[0]]])
        #expect(change.map(\.telling) == [pieces[0].telling])
    }

    @Test func `where nothing listens that is told too, once`() {
        var telling = EndpointTelling()
        let pieces = telling.pieces(for: [])
        #expect(pieces.map(\.isWhole) == [true])
        telling.took(pieces[0], EndpointReceipt(refused: []))
        #expect(telling.pieces(for: []).isEmpty)
    }

    @Test func `a report that broke off goes on where it was`() throws {
        let all = try (0..<3).flatMap { try Self.endpoints(500, of: "w\($0)") }
        var telling = EndpointTelling()
        telling.took(telling.pieces(for: all)[0], EndpointReceipt(refused: []))
        let rest = telling.pieces(for: all)
        #expect(rest.map(\.added.count) == [500])
        #expect(rest.map(\.isWhole) == [true])
    }

    @Test func `after a new stream everything is told again, under another name`() throws {
        let all = try Self.endpoints(3)
        var telling = EndpointTelling()
        let first = telling.pieces(for: all)
        telling.took(first[0], EndpointReceipt(refused: []))
        telling.begin()
        let again = telling.pieces(for: all)
        #expect(again.map(\.added) == [all])
        #expect(again[0].telling != first[0].telling)
    }

    @Test func `what is taken under a former name is told again, as it goes when the new telling is whole`() throws {
        let all = try (0..<3).flatMap { try Self.endpoints(500, of: "w\($0)") }
        var telling = EndpointTelling()
        let former = telling.pieces(for: all)
        telling.begin()
        telling.took(former[1], EndpointReceipt(refused: []))
        #expect(telling.pieces(for: all).flatMap(\.added) == all)
    }

    @Test func `what was refused is told again when it is tried again`() throws {
        let all = try Self.endpoints(3)
        var telling = EndpointTelling()
        telling.took(
            telling.pieces(for: all)[0],
            EndpointReceipt(refused: [RefusedEndpoint(endpoint: all[1], reason: "held")]))
        #expect(telling.pieces(for: all).isEmpty)
        telling.retryRefused()
        #expect(telling.pieces(for: all).map(\.added) == [[all[1]]])
    }

    @Test func `of a workload with too many those known before stay, and the rest is counted`() throws {
        let most = Limits.Endpoints.ofWorkload
        let many = try Self.endpoints(most + 100)
        let other = try Self.endpoints(1, of: "other")
        var telling = EndpointTelling()
        let first = telling.bounded(Array(many.suffix(most)) + other)
        for piece in telling.pieces(for: first) { telling.took(piece, EndpointReceipt(refused: [])) }
        let next = telling.bounded(many + other)
        #expect(Set(next) == Set(many.suffix(most) + other))
        #expect(telling.newlyDropped.values.map { $0 } == [100])
        #expect(telling.pieces(for: next).map(\.dropped.first?.count) == [100])
        _ = telling.bounded(many + other)
        #expect(telling.newlyDropped.isEmpty)
    }
}
