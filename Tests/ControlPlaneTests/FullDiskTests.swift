import ControlPlane
import ControlPlaneAPI
import Foundation
import GRDB
import SPIFFE
import Testing

@Suite struct FullDiskTests {
    @Test func `a full disk refuses a change whole, and the server goes on`() async throws {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(Manifests.identity("before"))
            let agent = try await plane.agent()
            let many = (0..<200).map { Manifests.identity("workload-\($0)", uid: 2000 + $0) }.joined(separator: "---\n")
            let status = try await plane.operators.status()
            let audit = try await plane.operators.audit()

            try await Self.limit(plane, toPages: "(SELECT page_count FROM pragma_page_count)")
            #expect(await problem { try await plane.apply(many) } == "storage_full")
            #expect(try await plane.operators.get().map(\.name) == ["before"])
            #expect(try await plane.operators.status().version == status.version)
            #expect(try await plane.operators.audit() == audit)

            try await Self.limit(plane, toPages: "1073741823")
            #expect(try await plane.apply(many).documents.count == 200)
            _ = try await plane.workload("before", of: agent)
            #expect(try await plane.operators.verifyAudit().intact)
        }
    }

    /// `max_page_count` is SQLite's own way to say that no more space is given.
    private static func limit(_ plane: TestControlPlane, toPages pages: String) async throws {
        try await plane.state.store.database.writeWithoutTransaction { database in
            let count = try Int.fetchOne(database, sql: "SELECT \(pages)") ?? 0
            try database.execute(sql: "PRAGMA max_page_count = \(count)")
        }
    }
}
