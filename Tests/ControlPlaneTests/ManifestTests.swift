import ControlPlane
import ControlPlaneAPI
import Foundation
import SPIFFE
import Testing

@Suite struct ManifestTests {
    @Test func `apply tells created, changed and unchanged apart`() async throws {
        try await TestControlPlane.serve { plane in
            let before = try await plane.operators.status().version
            let created = try await plane.apply(Manifests.identity("one"))
            #expect(created.documents.map(\.result) == [.created])
            #expect(created.version == before + 1)
            let unchanged = try await plane.apply("# a comment\n" + Manifests.identity("one"))
            #expect(unchanged.documents.map(\.result) == [.unchanged])
            #expect(unchanged.version == created.version)
            let changed = try await plane.apply(Manifests.identity("one", uid: 1002))
            #expect(changed.documents.map(\.result) == [.changed])
            #expect(changed.version == created.version + 1)
            let stored = try await plane.operators.get(kind: "workloadidentity", name: "one")
            #expect(stored.map(\.generation) == [2])
            #expect(stored.map(\.spiffeID) == ["spiffe://test.example/one"])
        }
    }

    @Test func `a file with one bad document applies none of it and says where`() async throws {
        try await TestControlPlane.serve { plane in
            let bad =
                Manifests.identity("good") + "---\n"
                + Manifests.identity("bad").replacing("process:uid", with: "process:udi")
            do {
                _ = try await plane.apply(bad, file: "weather.yaml")
                Issue.record("a misspelt key was accepted")
            } catch let ControlPlaneError.problem(problem) {
                #expect(problem.error == "manifest_invalid")
                let finding = try #require(problem.findings?.first)
                #expect(finding.hasPrefix("weather.yaml:23:7: "))
                #expect(finding.contains("process:udi"))
            }
            #expect(try await plane.operators.get().isEmpty)
            #expect(try await plane.operators.audit().isEmpty)
            #expect(try await plane.operators.status().version == 1)
        }
    }

    @Test func `an identity that conflicts with a stored one is refused`() async throws {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(Manifests.identity("one"))
            let twin = Manifests.identity("two").replacing("python two.py", with: "python one.py")
            #expect(await problem { try await plane.apply(twin) } == "manifest_invalid")
            #expect(try await plane.operators.get().map(\.name) == ["one"])
        }
    }

    @Test func `no manifest can take a name of the control plane`() async throws {
        try await TestControlPlane.serve { plane in
            let usurper = Manifests.identity("one").replacing("workloadID: one", with: "workloadID: tidemark/server")
            #expect(await problem { try await plane.apply(usurper) } == "manifest_invalid")
        }
    }

    @Test func `two manifests for one resource are refused`() async throws {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(Manifests.weather)
            let second = Manifests.resource(servedBy: "server", allowed: "client").replacing(
                "name: forecast", with: "name: again")
            #expect(await problem { try await plane.apply(second) } == "manifest_invalid")
        }
    }

    @Test func `deleting what is not there changes nothing`() async throws {
        try await TestControlPlane.serve { plane in
            #expect(
                await problem { try await plane.operators.delete(kind: "WorkloadIdentity", name: "x") }
                    == "manifest_not_found")
            let status = try await plane.operators.status()
            #expect(status.version == 1)
        }
    }
}
