@testable import Agent
import ControlPlaneAPI
import Limits
import Logging
import SPIFFE
import Synchronization
import Testing

@Suite struct EndpointReporterTests {
    @Test func `an agent that tells of too much waits as it is told to, and everything arrives once`() async throws {
        // Of one workload no more are told than so many.
        let several = try (0..<3 * Limits.Endpoints.inPiece).map {
            Endpoint(address: "10.0.0.1", port: UInt16($0), workload: try SPIFFEID("spiffe://test.example/w\($0 % 30)"))
        }
        let plane = Plane(refusing: 2)
        let reporter = plane.reporter(of: several)
        let before = ContinuousClock.now
        await reporter.refresh()
        #expect(ContinuousClock.now - before >= .seconds(1))
        #expect(plane.taken.map(\.added.count) == [1000, 1000, 1000])
        #expect(Set(plane.taken.flatMap(\.added)) == Set(several))
        #expect(plane.taken.map(\.isWhole) == [false, false, true])
        #expect(Set(plane.taken.map(\.telling)).count == 1)
    }

    @Test func `a stream that begins while pieces are on their way is told everything`() async throws {
        let several = try (0..<2 * Limits.Endpoints.inPiece).map {
            Endpoint(address: "10.0.0.1", port: UInt16($0), workload: try SPIFFEID("spiffe://test.example/w\($0 % 20)"))
        }
        let plane = Plane(refusing: nil)
        let reporter = plane.reporter(of: several)
        plane.whenFirstCame { await reporter.repeatReport() }
        await reporter.refresh()
        let last = try #require(plane.taken.last)
        #expect(last.isWhole)
        let told = plane.taken.filter { $0.telling == last.telling }.flatMap(\.added)
        #expect(Set(told) == Set(several))
        #expect(plane.taken.filter { $0.telling != last.telling }.count == 1)
    }
}

/// What takes endpoints, but for one report.
private final class Plane: Sendable {
    private struct State {
        var asked = 0
        var taken: [EndpointReport] = []
        var meanwhile: (@Sendable () async -> Void)?
    }

    private let state = Mutex(State())
    private let refused: Int?

    init(refusing refused: Int?) { self.refused = refused }

    var taken: [EndpointReport] { state.withLock(\.taken) }

    func whenFirstCame(_ work: @escaping @Sendable () async -> Void) { state.withLock { $0.meanwhile = work } }

    func reporter(of endpoints: [Endpoint]) -> EndpointReporter {
        EndpointReporter(
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }), looking: { endpoints },
            telling: { try await self.take($0) })
    }

    private func take(_ report: EndpointReport) async throws -> EndpointReceipt {
        let (isRefused, meanwhile) = state.withLock { state in
            state.asked += 1
            if state.asked != refused { state.taken.append(report) }
            defer { state.meanwhile = nil }
            return (state.asked == refused, state.meanwhile)
        }
        if isRefused {
            throw ControlPlaneError.problem(Problem(error: "too_much", message: "wait", findings: nil, retryAfter: 1))
        }
        await meanwhile?()
        return EndpointReceipt(refused: [])
    }
}
