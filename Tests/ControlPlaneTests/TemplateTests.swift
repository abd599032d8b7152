import AuthorizationServer
@testable import ControlPlane
import ControlPlaneAPI
import Foundation
import SPIFFE
import Testing

@Suite struct TemplateTests {
    private static let template = "agents/{{process:uid}}"

    @Test func `an agent of the group gets certificates for what a template yields, and for nothing else`() async throws
    {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(Manifests.template(Self.template))
            let agent = try await plane.agent()
            #expect(try await plane.workload("agents/1001", of: agent).id == TestControlPlane.id("agents/1001"))
            for path in ["agents/x", "agents/x/y", "agents/1001/y", "agents", "agents/007", "other/1001"] {
                #expect(await problem { try await plane.workload(path, of: agent) } == "not_in_group")
            }
            let stranger = try await plane.agent(group: "other", name: "host-b")
            #expect(await problem { try await plane.workload("agents/1001", of: stranger) } == "not_in_group")
        }
    }

    @Test func `what a template gave is withdrawn with it, and given again with it`() async throws {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(Manifests.template(Self.template))
            let agent = try await plane.agent()
            let first = try await plane.workload("agents/1001", of: agent)
            _ = try await plane.operators.delete(kind: "WorkloadIdentity", name: "template")
            #expect(await problem { try await plane.workload("agents/1001", of: agent) } == "not_in_group")
            let id = try TestControlPlane.id("agents/1001")
            #expect(try await plane.withdrawn(for: agent) == [id])
            _ = try await plane.apply(Manifests.template("agents/x/{{process:uid}}"))
            #expect(try await plane.withdrawn(for: agent) == [id])
            _ = try await plane.apply(Manifests.template(Self.template))
            #expect(try await plane.withdrawn(for: agent) == [])
            let again = try await plane.workload("agents/1001", of: agent)
            let reason = try await plane.state.store.read { database in
                (
                    try plane.state.registry.objection(to: id, issuedAt: IssueTime(of: first.leaf), in: database),
                    try plane.state.registry.objection(to: id, issuedAt: IssueTime(of: again.leaf), in: database)
                )
            }
            #expect(reason.0 != nil && reason.1 == nil)
        }
    }

    @Test func `an agent may report where a workload of a template listens`() async throws {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(Manifests.template(Self.template))
            let agent = try await plane.agent()
            try await plane.withClient(as: agent) { client in
                let own = Endpoint(address: "10.0.0.2", port: 8000, workload: try TestControlPlane.id("agents/1001"))
                try await client.report(endpoints: EndpointReport(endpoints: [own]))
                let other = Endpoint(address: "10.0.0.2", port: 8000, workload: try TestControlPlane.id("agents/x/y"))
                let receipt = try await client.report(endpoints: EndpointReport(endpoints: [own, other]))
                #expect(receipt.refused.map(\.endpoint) == [other])
                #expect(try await plane.operators.status().agents.first?.endpoints == [own])
            }
        }
    }

    @Test func `the authorization server knows the IDs of a template`() async throws {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(Manifests.template(Self.template))
            let records = OAuthRecords(state: plane.state)
            let given = try await records.standing(of: TestControlPlane.id("agents/1001"), issuedAt: nil)
            #expect(given.objection == nil)
            let other = try await records.standing(of: TestControlPlane.id("agents/x"), issuedAt: nil)
            #expect(other.objection == "no manifest gives \(other.id)")
        }
    }

    @Test func `a template that meets an identity of its group is refused`() async throws {
        try await TestControlPlane.serve { plane in
            let literal = Manifests.identity("seven").replacing("workloadID: seven", with: "workloadID: agents/7")
            _ = try await plane.apply(literal)
            #expect(await problem { try await plane.apply(Manifests.template(Self.template)) } == "manifest_invalid")
            _ = try await plane.apply(Manifests.template("agents/u{{process:uid}}"))
        }
    }

    @Test func `a group cannot ask for more words of argv than the kernel part looks at`() async throws {
        try await TestControlPlane.serve { plane in
            let asks = { (count: Int) in
                let keys = (0..<count).map { "process:argv[\($0)]: x" }.joined(separator: "\n      ")
                return Manifests.identity("mine").replacing("process:cmdline: python mine.py", with: keys)
            }
            _ = try await plane.apply(asks(8))
            #expect(await problem { try await plane.apply(asks(9)) } == "manifest_invalid")
        }
    }
}

extension TestControlPlane {
    /// What the next snapshot for an agent says is withdrawn.
    fileprivate func withdrawn(for agent: X509SVID) async throws -> [SPIFFEID]? {
        try await withClient(as: agent) { client in
            var snapshots = client.snapshots().makeAsyncIterator()
            return try await snapshots.next()?.withdrawn
        }
    }
}
