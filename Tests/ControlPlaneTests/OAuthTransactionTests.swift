import AuthorizationServer
@testable import ControlPlane
import ControlPlaneAPI
import Foundation
import GRDB
import SPIFFE
import Testing

/// What the authorization server does and what it tells of it are stored together, or neither is.
@Suite struct OAuthTransactionTests {
    @Test(arguments: ["INSERT ON audit WHEN NEW.type = 'client.registered'", "INSERT ON oauth_clients"])
    func `of a registration that cannot be told, or cannot be stored, nothing stays`(_ failing: String) async throws {
        try await Self.serve { plane, identity in
            try await Self.fail(failing, on: plane)
            try await plane.withClient(as: identity) { client in
                #expect(await problem { try await client.registerOAuthClient(scope: nil) } != nil)
                #expect(try await Self.registrations(plane) == Stored(acts: 0, records: 0))
                try await Self.heal(plane)
                _ = try await client.registerOAuthClient(scope: nil)
                #expect(try await Self.registrations(plane) == Stored(acts: 1, records: 1))
            }
        }
    }

    @Test(arguments: [
        "INSERT ON audit WHEN NEW.type = 'token.revoked'", "UPDATE ON oauth_tokens", "UPDATE ON registry",
    ])
    func `of a revocation that cannot be told, stored or distributed nothing stays`(_ failing: String) async throws {
        try await Self.serve { plane, identity in
            let token = try await Self.token(plane, identity)
            let version = try await plane.operators.status().version
            try await Self.fail(failing, on: plane)
            await #expect(throws: (any Error).self) { try await Self.revoke(token, plane) }
            #expect(try await Self.revocations(plane) == Stored(acts: 0, records: 0))
            #expect(try await plane.operators.status().version == version)
            try await Self.heal(plane)
            try await Self.revoke(token, plane)
            #expect(try await Self.revocations(plane) == Stored(acts: 1, records: 1))
            #expect(try await plane.operators.status().version > version)
        }
    }

    @Test func `on a disk without room for a record nobody is registered and nothing is revoked`() async throws {
        try await Self.serve { plane, identity in
            let other = try await plane.workload("server", of: plane.agent(name: "host-b"))
            let token = try await Self.token(plane, identity)
            let before = try await Self.registrations(plane)
            try await Self.fillDisk(plane)
            try await plane.withClient(as: other) { client in
                #expect(await problem { try await client.registerOAuthClient(scope: nil) } != nil)
            }
            await #expect(throws: (any Error).self) { try await Self.revoke(token, plane) }
            #expect(try await Self.registrations(plane) == before)
            #expect(try await Self.revocations(plane) == Stored(acts: 0, records: 0))

            try await plane.state.store.database.writeWithoutTransaction {
                try $0.execute(sql: "PRAGMA max_page_count = 1073741823")
            }
            try await plane.withClient(as: other) { _ = try await $0.registerOAuthClient(scope: nil) }
            try await Self.revoke(token, plane)
            #expect(try await Self.registrations(plane) == Stored(acts: before.acts + 1, records: before.records + 1))
            #expect(try await Self.revocations(plane) == Stored(acts: 1, records: 1))
            #expect(try await plane.operators.verifyAudit().intact)
        }
    }

    private static func serve(
        _ body: @Sendable @escaping (TestControlPlane, X509SVID) async throws -> Void
    ) async throws {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(Manifests.weather)
            try await body(plane, try await plane.workload("client", of: plane.agent()))
        }
    }

    /// - Returns: its `jti`.
    private static func token(_ plane: TestControlPlane, _ identity: X509SVID) async throws -> String {
        try await plane.withClient(as: identity) { client in
            _ = try await client.registerOAuthClient(scope: nil)
            _ = try await client.token(clientID: identity.id, resource: Manifests.forecast, scope: "weather:read")
        }
        let id = try await plane.state.store.read { try String.fetchOne($0, sql: "SELECT jti FROM oauth_tokens") }
        return try #require(id)
    }

    private static func revoke(_ token: String, _ plane: TestControlPlane) async throws {
        var event = OAuthEvent(.tokenRevoked, reason: "revoked by its client")
        event.tokenID = token
        try await OAuthRecords(state: plane.state).revokeToken(token, at: plane.clock.now, telling: event)
    }

    /// A write of this kind fails, and its statement alone is undone: what stays of the others is the transaction's doing.
    private static func fail(_ write: String, on plane: TestControlPlane) async throws {
        try await plane.state.store.database.write {
            try $0.execute(
                sql: "CREATE TRIGGER failing BEFORE \(write) BEGIN SELECT RAISE(ABORT, 'no room for it'); END")
        }
    }

    private static func heal(_ plane: TestControlPlane) async throws {
        try await plane.state.store.database.write { try $0.execute(sql: "DROP TRIGGER failing") }
    }

    /// Until the smallest record finds no room. Other tables may have some left in their pages.
    private static func fillDisk(_ plane: TestControlPlane) async throws {
        try await plane.state.store.database.writeWithoutTransaction { database in
            let pages = try Int.fetchOne(database, sql: "SELECT page_count FROM pragma_page_count") ?? 0
            try database.execute(sql: "PRAGMA max_page_count = \(pages)")
        }
        let now = plane.clock.now
        await #expect(throws: ControlPlaneRefusal.self) {
            for _ in 0..<100_000 {
                try await plane.state.store.write {
                    try AuditChain.append([AuditChain.Entry(time: now, source: "", type: "", details: [:])], to: $0)
                }
            }
        }
    }

    /// How often something was done, and told.
    private struct Stored: Equatable {
        var acts: Int
        var records: Int
    }

    private static func registrations(_ plane: TestControlPlane) async throws -> Stored {
        try await count("oauth_clients", "client.registered", plane)
    }

    private static func revocations(_ plane: TestControlPlane) async throws -> Stored {
        try await count("oauth_tokens WHERE revoked_at IS NOT NULL", "token.revoked", plane)
    }

    private static func count(_ acts: String, _ type: String, _ plane: TestControlPlane) async throws -> Stored {
        try await plane.state.store.read { database in
            Stored(
                acts: try Int.fetchOne(database, sql: "SELECT count(*) FROM \(acts)") ?? -1,
                records: try Int.fetchOne(
                    database, sql: "SELECT count(*) FROM audit WHERE type = ?", arguments: [type]) ?? -1)
        }
    }
}
