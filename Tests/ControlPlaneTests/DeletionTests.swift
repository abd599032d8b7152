import ControlPlane
import ControlPlaneAPI
import Foundation
import SPIFFE
import Testing
import Workloads

@Suite struct DeletionTests {
    @Test func `a token is active until its client is deleted, and inactive at once afterwards`() async throws {
        try await TestControlPlane.serve { plane in
            let token = try await Self.token(on: plane)
            let active = try await Self.introspect(token, on: plane)
            #expect(active.active)
            #expect(active.sub == "spiffe://test.example/client")
            #expect(active.aud == Manifests.forecast)

            _ = try await plane.operators.delete(kind: "workloadidentity", name: "client")
            let inactive = try await Self.introspect(token, on: plane)
            #expect(!inactive.active)
            #expect(inactive.sub == nil && inactive.scope == nil && inactive.exp == nil)
            let snapshot = try await Self.snapshot(of: plane)
            let client = try TestControlPlane.id("client")
            #expect(snapshot.withdrawn == [client])
            #expect(snapshot.revokedTokens == [active.jti])
            #expect(snapshot.identities.map(\.name) == ["server"])
            let types = try await plane.operators.audit(spiffeID: TestControlPlane.id("client")).map(\.type)
            #expect(
                types == [
                    "manifest.created", "svid.issued", "client.registered", "token.issued", "manifest.deleted",
                    "token.revoked", "client.deregistered",
                ])
        }
    }

    @Test func `an identity that is applied again is let back in, its old token and its old SVID are not`() async throws
    {
        try await TestControlPlane.serve { plane in
            let token = try await Self.token(on: plane)
            _ = try await plane.operators.delete(kind: "WorkloadIdentity", name: "client")
            _ = try await plane.apply(Manifests.identity("client"))
            let snapshot = try await Self.snapshot(of: plane)
            #expect(snapshot.withdrawn.isEmpty)
            #expect(try snapshot.withdrawals?.map(\.spiffeID) == [TestControlPlane.id("client")])
            #expect(snapshot.revokedTokens.count == 1)
            #expect(try await Self.introspect(token, on: plane).active == false)
            _ = try await Self.token(on: plane)
        }
    }

    @Test func `deleting a resource revokes the tokens for it`() async throws {
        try await TestControlPlane.serve { plane in
            let token = try await Self.token(on: plane)
            _ = try await plane.operators.delete(kind: "ProtectedResource", name: "forecast")
            #expect(try await Self.introspect(token, on: plane).active == false)
            #expect(try await Self.snapshot(of: plane).revokedTokens.count == 1)
        }
    }

    @Test func `a token is refused to a client the resource does not name`() async throws {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(Manifests.weather + "---\n" + Manifests.identity("stranger"))
            let stranger = try await plane.workload("stranger", of: plane.agent())
            try await plane.withClient(as: stranger) { client in
                _ = try await client.registerOAuthClient(scope: nil)
                let refusal = await problem {
                    try await client.token(clientID: stranger.id, resource: Manifests.forecast, scope: "weather:read")
                }
                #expect(refusal == "invalid_target")
            }
        }
    }

    private static func token(on plane: TestControlPlane) async throws -> String {
        _ = try await plane.apply(Manifests.weather)
        let client = try await plane.workload("client", of: plane.agent())
        return try await plane.withClient(as: client) { control in
            let registration = try await control.registerOAuthClient(scope: "weather:read")
            #expect(registration.clientID == client.id.description)
            return try await control.token(clientID: client.id, resource: Manifests.forecast, scope: "weather:read")
                .accessToken
        }
    }

    private static func introspect(_ token: String, on plane: TestControlPlane) async throws -> OAuthIntrospection {
        let server = try await plane.workload("server", of: plane.agent())
        return try await plane.withClient(as: server) { try await $0.introspect(token: token, clientID: server.id) }
    }

    private static func snapshot(of plane: TestControlPlane) async throws -> PolicySnapshot {
        let agent = try await plane.agent()
        return try await plane.withClient(as: agent) { client in
            try #require(await client.snapshots().first { _ in true })
        }
    }
}
