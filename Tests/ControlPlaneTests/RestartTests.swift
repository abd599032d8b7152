import ControlPlane
import ControlPlaneAPI
import Foundation
import SPIFFE
import Testing

@Suite struct RestartTests {
    @Test func `keys, agents, manifests and audit survive a restart`() async throws {
        let directory = TestControlPlane.temporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        let kept = Kept()
        try await TestControlPlane.serve(in: directory) { plane in
            _ = try await plane.apply(Manifests.weather)
            await kept.keep(try await plane.agent(), plane.state.bundle, try await plane.operators.status().version)
        }
        let (agent, bundle, version) = try #require(await kept.values)
        try await TestControlPlane.serve(in: directory) { plane in
            #expect(plane.state.bundle == bundle)
            #expect(try await plane.operators.status().version == version)
            let client = try await plane.workload("client", of: agent)
            #expect(client.id.description == "spiffe://test.example/client")
            #expect(try await plane.operators.verifyAudit().intact)
        }
    }

    private actor Kept {
        var values: (X509SVID, TrustBundle, UInt64)?
        func keep(_ agent: X509SVID, _ bundle: TrustBundle, _ version: UInt64) { values = (agent, bundle, version) }
    }
}
