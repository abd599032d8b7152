@testable import ControlPlane
import ControlPlaneAPI
import Foundation
import GRDB
import Limits
import SPIFFE
import Synchronization
import Testing

/// What a report costs all who write, when somebody has filled the tables.
@Suite struct ReportCostTests {
    @Test func `who reports or asks for an SVID walks over nobody's withdrawals`() async throws {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(Manifests.identity("mine") + "---\n" + Manifests.identity("gone", uid: 1002))
            let agent = try await plane.agent()
            _ = try await plane.workload("gone", of: agent)
            _ = try await plane.operators.delete(kind: "WorkloadIdentity", name: "gone")
            try await Self.withdraw(1000, on: plane)
            let (gone, never) = (try TestControlPlane.id("gone"), try TestControlPlane.id("never"))
            let plans = try await Self.plans(on: plane.state.store) {
                let report = AuditReport(
                    queue: "q", from: 0, end: 2,
                    events: [gone, never].enumerated().map { Self.event(UInt64($0.offset), of: $0.element) })
                try await plane.withClient(as: agent) { client in
                    try await client.report(audit: report)
                    let receipt = try await client.report(
                        endpoints: EndpointReport(
                            endpoints: [gone, never].map { Endpoint(address: "10.0.0.2", port: 80, workload: $0) }))
                    // What is withdrawn is known still, and what never was is not.
                    #expect(receipt.refused.map(\.endpoint.workload) == [never])
                }
                _ = try await plane.workload("mine", of: agent)
            }
            let types = try await plane.operators.audit().filter { $0.source == agent.id.description }.map(\.type)
            #expect(types.sorted() == ["audit.event_refused", "process.identified"])
            #expect(plans.contains { $0.contains("issuances USING PRIMARY KEY") })
            #expect(plans.contains { $0.contains("issuances_to_end") })
            #expect(!plans.contains { $0.contains("SCAN issuances") || $0.contains("withdrawals") }, "\(plans)")
        }
    }

    /// What the writer does meanwhile, as SQLite plans it.
    private static func plans(on store: Store, of work: () async throws -> Void) async throws -> Set<String> {
        let statements = Statements()
        try await store.write { database in
            database.trace { event in
                if case .statement(let statement) = event { statements.add(statement.expandedSQL) }
            }
        }
        try await work()
        return try await store.write { database in
            database.trace(options: [])
            let asked = statements.all.filter { ["SELECT", "DELETE", "INSERT", "UPDATE"].contains($0.prefix(6)) }
            return Set(
                try asked.flatMap { statement in
                    try Row.fetchAll(database, sql: "EXPLAIN QUERY PLAN " + statement).map { $0["detail"] as String }
                })
        }
    }

    private final class Statements: Sendable {
        private let texts = Mutex<Set<String>>([])

        var all: Set<String> { texts.withLock { $0 } }

        func add(_ text: String) { texts.withLock { _ = $0.insert(text) } }
    }

    /// Of a template's IDs; half of them have run out since.
    private static func withdraw(_ count: Int, on plane: TestControlPlane) async throws {
        let now = plane.clock.now.milliseconds
        try await plane.state.store.write { database in
            try database.execute(
                sql: """
                    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
                    INSERT INTO issuances
                        (spiffe_id, agent_group, issued_second, ends_at, withdrawn_through, withdrawn_until)
                    SELECT 'spiffe://test.example/agents/' || i, 'weather', 0, ?2 + (i % 2) * 100000, 1,
                        ?2 + (i % 2) * 100000 FROM n
                    """,
                arguments: [count, now - 1000])
        }
    }

    private static func event(_ number: UInt64, of id: SPIFFEID) -> AuditReport.Event {
        AuditReport.Event(
            number: number, event: AgentAuditEvent(time: Date(), type: .processIdentified, spiffeID: id))
    }
}
