import ControlPlane
import ControlPlaneAPI
import Crypto
import Foundation
import SPIFFE
import Testing

/// An agent's right ends: by an operator, by a newer SVID, by a new join token.
@Suite struct AgentRemovalTests {
    private func use(_ agent: X509SVID, at plane: TestControlPlane) async -> String? {
        await problem { try await plane.withClient(as: agent) { try await $0.acknowledge(.init(version: 1)) } }
    }

    private func renew(_ agent: X509SVID, at plane: TestControlPlane) async throws -> X509SVID {
        let key = P256.Signing.PrivateKey()
        let request = RenewRequest(csr: try TestControlPlane.signingRequest(key))
        return try await plane.withClient(as: agent) { try TestControlPlane.svid(try await $0.renew(request), key) }
    }

    @Test func `a deleted agent can do nothing, not even renew, and its stream ends`() async throws {
        try await TestControlPlane.serve { plane in
            let agent = try await plane.agent()
            try await plane.withClient(as: agent) { client in
                var snapshots = client.snapshots().makeAsyncIterator()
                _ = try await snapshots.next()
                _ = try await plane.operators.deleteAgent(group: "weather", name: "host-a")
                while let next = try? await snapshots.next() { _ = next }
            }
            #expect(await use(agent, at: plane) == "not_an_agent")
            #expect(await problem { try await renew(agent, at: plane) } == "not_an_agent")
            #expect(try await plane.operators.status().agents.isEmpty)
            #expect(try await plane.operators.audit().contains { $0.type == "agent.deleted" })
            // Certificates tell of seconds: in the very one of a new beginning a former SVID would be one that was replaced.
            plane.clock.advance(by: 1)
            let again = try await plane.agent()
            #expect(await use(again, at: plane) == nil)
            #expect(await use(agent, at: plane) == "not_an_agent")
            #expect(await use(again, at: plane) == nil)
        }
    }

    @Test func `a banned agent is not let in by a new join token, until the ban ends`() async throws {
        try await TestControlPlane.serve { plane in
            let agent = try await plane.agent()
            _ = try await plane.operators.banAgent(group: "weather", name: "host-a")
            #expect(await use(agent, at: plane) == "agent_evicted")
            #expect(await problem { try await plane.agent() } == "agent_evicted")
            #expect(try await plane.operators.status().agents.first?.evicted == "an operator banned it")
            _ = try await plane.operators.unbanAgent(group: "weather", name: "host-a")
            #expect(await use(agent, at: plane) == "agent_evicted")
            #expect(await use(try await plane.agent(), at: plane) == nil)
        }
    }

    @Test func `an SVID that was replaced, used again, evicts its agent and the thief, and says so`() async throws {
        try await TestControlPlane.serve { plane in
            let stolen = try await plane.agent()
            plane.clock.advance(by: 10)
            let honest = try await renew(stolen, at: plane)
            #expect(await use(honest, at: plane) == nil)
            plane.clock.advance(by: 120)
            #expect(await use(stolen, at: plane) == "agent_evicted")
            #expect(await use(honest, at: plane) == "agent_evicted")
            #expect(await problem { try await renew(honest, at: plane) } == "agent_evicted")
            let record = try #require(try await plane.operators.audit().first { $0.type == "agent.evicted" })
            #expect(record.details["svidSerial"] == .string(stolen.serialNumber))
            #expect(try await plane.operators.status().agents.first?.evicted?.contains("replaced") == true)
            _ = try await plane.agent()
            #expect(try await plane.operators.status().agents.first?.evicted == nil)
        }
    }

    @Test func `an agent that lost the answer to its renewal renews again`() async throws {
        try await TestControlPlane.serve { plane in
            let agent = try await plane.agent()
            let lost = try await renew(agent, at: plane)
            #expect(await use(agent, at: plane) == nil)
            let next = try await renew(agent, at: plane)
            #expect(await use(next, at: plane) == nil)
            // Requests that were under way; but a renewal would be somebody else's.
            #expect(await use(agent, at: plane) == nil)
            #expect(await use(lost, at: plane) == "agent_evicted")
        }
    }

    @Test func `once the new one has been used, the one before cannot renew`() async throws {
        try await TestControlPlane.serve { plane in
            let stolen = try await plane.agent()
            let honest = try await renew(stolen, at: plane)
            #expect(await use(honest, at: plane) == nil)
            #expect(await problem { try await renew(stolen, at: plane) } == "agent_evicted")
        }
    }

    @Test func `a new join token ends the SVID of before, which harms nobody any more`() async throws {
        try await TestControlPlane.serve { plane in
            let before = try await plane.agent()
            plane.clock.advance(by: 10)
            let now = try await plane.agent()
            #expect(await use(before, at: plane) == "not_an_agent")
            #expect(await use(now, at: plane) == nil)
            #expect(try await plane.operators.status().agents.count == 1)
        }
    }

    @Test func `records that are older than an SVID, as after a restored backup, learn of it`() {
        let standing = AgentStanding(serial: "a1", notBefore: 1000, lifeBegan: 1000)
        #expect(standing.decision(onSerial: "b2", notBefore: 2000, now: 3000) == .unrecorded)
        #expect(standing.decision(onSerial: "00", notBefore: 1000, now: 3000) == .replaced)
        #expect(standing.decision(onSerial: "00", notBefore: 999, now: 3000) == .ended)
    }
}
