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

    /// The application's side sees an address, a port and a path, and no name.
    @Test(arguments: [
        ("http://a.example:8000/mcp", "http://b.example:8000/mcp", true),
        ("http://a.example:8000/mcp", "https://b.example:8000/mcp/", true),
        ("http://10.0.0.2:8000/mcp", "http://[::ffff:10.0.0.2]:8000/mcp", true),
        ("http://10.0.0.2:8000/mcp", "http://[fd00::2]:8000/mcp", false),
        ("http://10.0.0.2:8000/mcp", "http://a.example:8000/mcp", false),
        ("http://a.example:8000/mcp", "http://b.example:8001/mcp", false),
        ("http://a.example:8000/mcp", "http://b.example:8000/other", false),
    ])
    func `two resources that no request could be told between are refused`(
        _ one: String, _ two: String, _ areRefused: Bool,
    ) async throws {
        try await TestControlPlane.serve { plane in
            let resource = { (name: String, url: String, server: String) in
                Manifests.resource(servedBy: server, allowed: "client")
                    .replacing("name: forecast", with: "name: \(name)").replacing(Manifests.forecast, with: url)
            }
            let both = resource("one", one, "server") + "---\n" + resource("two", two, "server")
            #expect(await problem { try await plane.apply(both) } == (areRefused ? "manifest_invalid" : nil))
            if areRefused {
                do { _ = try await plane.apply(both) } catch ControlPlaneError.problem(let problem) {
                    #expect(problem.findings?.first?.hasPrefix("ProtectedResource one and two: spec.resource ") == true)
                }
                // Of two workloads each has its own.
                _ = try await plane.apply(resource("one", one, "server") + "---\n" + resource("two", two, "other"))
            }
        }
    }

    @Test func `who is not told to run it is warned of, as the parent's manifest stands now`() async throws {
        try await TestControlPlane.serve { plane in
            let keys = { (name: String, keys: String) in
                Manifests.identity(name).replacing("process:uid: [1001]", with: keys)
            }
            let child = keys("child", "process:parent: manager")
            let warnings = { (response: ApplyResponse) in response.documents.map(\.warnings.count) }
            #expect(try await warnings(plane.apply(child)) == [1])
            #expect(try await warnings(plane.apply(keys("manager", "process:binary:path: /usr/bin/m"))) == [1])
            #expect(try await warnings(plane.apply(Manifests.identity("manager"))) == [0])
            #expect(try await warnings(plane.apply(child)) == [0])
            let stored = try await plane.operators.get(kind: "workloadidentity", name: "child")
            #expect(stored.map(\.warnings) == [[]])
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
