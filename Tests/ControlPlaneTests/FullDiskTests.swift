import ControlPlane
import ControlPlaneAPI
import Foundation
import GRDB
import Limits
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

    @Test func `a full disk gives no token and no SVID whose record is not stored`() async throws {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(Manifests.weather)
            let agent = try await plane.agent()
            let id = try TestControlPlane.id("client")
            let identity = try await plane.workload("client", of: agent)
            try await plane.withClient(as: identity) { client in
                _ = try await client.registerOAuthClient(scope: nil)
                _ = try await plane.operators.audit()
                try await Self.limit(plane, toPages: "(SELECT page_count FROM pragma_page_count)")
                // Some fit into what is left of pages; the first that does not is refused whole.
                var answered: Set<String> = []
                while let token = try? await client.token(
                    clientID: id, resource: Manifests.forecast, scope: "weather:read"
                ).accessToken {
                    answered.insert(token)
                }
                let (tokens, told) = try await Self.counts(plane)
                #expect(tokens == answered.count && told == answered.count && tokens < Limits.Tokens.ofSVID)
            }
            // Other pages than those of tokens may have room for some.
            var refusal: String?
            for _ in 0..<200 where refusal == nil {
                refusal = await problem { try await plane.workload("client", of: agent) }
            }
            #expect(refusal == "storage_full")

            try await Self.limit(plane, toPages: "1073741823")
            try await plane.withClient(as: identity) { client in
                _ = try await client.token(clientID: id, resource: Manifests.forecast, scope: "weather:read")
            }
            #expect(try await plane.operators.verifyAudit().intact)
        }
    }

    /// Tokens, and records of tokens.
    private static func counts(_ plane: TestControlPlane) async throws -> (tokens: Int, told: Int) {
        try await plane.state.store.read { database in
            (
                try Int.fetchOne(database, sql: "SELECT count(*) FROM oauth_tokens") ?? -1,
                try Int.fetchOne(database, sql: "SELECT count(*) FROM audit WHERE type = 'token.issued'") ?? -1
            )
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
