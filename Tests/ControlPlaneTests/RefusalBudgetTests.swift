import ControlPlaneAPI
import Foundation
import Testing

@testable import ControlPlane

@Suite("Refusals of strangers") struct RefusalBudgetTests {
    @Test func `so many are told each a minute, and the number of the others with the next that is`() {
        let budget = RefusalBudget(perMinute: 3)
        let start = Date(timeIntervalSince1970: 1_800_000_000)
        let first = (0..<10).map { _ in budget.take(at: start) }
        #expect(first.map(\.isTold) == Array(repeating: true, count: 3) + Array(repeating: false, count: 7))
        #expect(first.allSatisfy { $0.untold == 0 })
        let next = (0..<2).map { _ in budget.take(at: start + 60) }
        #expect(next == [.init(isTold: true, untold: 7), .init(isTold: true, untold: 0)])
    }

    @Test func `a stranger who is refused without end hides nobody's number`() async throws {
        try await TestControlPlane.serve { plane in
            plane.clock.stop()
            let desk = AgentDesk(state: plane.state)
            for number in 0..<100 {
                let request = AttestRequest(joinToken: "made up", name: "n\(number)", csr: Data("x".utf8))
                await #expect(throws: ControlPlaneRefusal.self) { try await desk.attest(request) }
            }
            plane.clock.advance(by: 60)
            await #expect(throws: ControlPlaneRefusal.self) {
                try await desk.attest(AttestRequest(joinToken: "made up", name: "last", csr: Data("x".utf8)))
            }
            let refused = try await plane.operators.audit().filter { $0.type == "agent.refused" }
            let counts = refused.map { record -> Int in
                if case .integer(let count)? = record.details["count"] { Int(count) } else { 1 }
            }
            #expect(counts.reduce(0, +) == 101)
            #expect(refused.count == 62)
        }
    }
}
