import ControlPlane
import ControlPlaneAPI
import Crypto
import Foundation
import GRDB
import Issuer
import SPIFFE
import Testing

@Suite struct AttestationTests {
    @Test func `a join token lets one agent in, under its group and name`() async throws {
        try await TestControlPlane.serve { plane in
            let agent = try await plane.agent(group: "weather", name: "host-a")
            #expect(agent.id.description == "spiffe://test.example/tidemark/agent/weather/host-a")
            let status = try await plane.operators.status()
            #expect(status.agents.map(\.agentGroup) == ["weather"])
        }
    }

    @Test func `a join token is refused when it is used, run out, or unknown`() async throws {
        let directory = TestControlPlane.temporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        try await TestControlPlane.serve(in: directory, clock: TestClock()) { plane in
            let used = try await plane.operators.joinToken(JoinTokenRequest(agentGroup: "weather", lifetime: 60)).token
            let late = try await plane.operators.joinToken(JoinTokenRequest(agentGroup: "weather", lifetime: 60)).token
            _ = try await plane.attest(token: used, name: "one")
            #expect(await problem { try await plane.attest(token: used, name: "two") } == "join_token_used")
            plane.clock.advance(by: 61)
            #expect(await problem { try await plane.attest(token: late, name: "three") } == "join_token_expired")
            #expect(await problem { try await plane.attest(token: "guess", name: "four") } == "join_token_unknown")
            #expect(try await plane.operators.status().agents.count == 1)
            let refusals = try await plane.operators.audit().filter { $0.type == "agent.refused" }
            #expect(refusals.map { $0.details["name"] } == [.string("two"), .string("three"), .string("four")])
        }
    }

    @Test func `of many agents with one token exactly one gets in`() async throws {
        try await TestControlPlane.serve { plane in
            let token = try await plane.operators.joinToken(JoinTokenRequest(agentGroup: "weather", lifetime: 60)).token
            let admitted = await withTaskGroup(of: Bool.self) { group in
                for number in 0..<8 {
                    group.addTask {
                        await problem { try await plane.attest(token: token, name: "host-\(number)") } == nil
                    }
                }
                return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(admitted == 1)
        }
    }

    @Test func `a malformed request leaves the token unused`() async throws {
        try await TestControlPlane.serve { plane in
            let token = try await plane.operators.joinToken(JoinTokenRequest(agentGroup: "weather", lifetime: 60)).token
            let request = AttestRequest(joinToken: token, name: "host-a", csr: Data("no request".utf8))
            #expect(
                await problem { try await plane.withClient { try await $0.attest(request) } }
                    == "signing_request_invalid")
            #expect(await problem { try await plane.attest(token: token, name: "a/b") } == "agent_name_invalid")
            _ = try await plane.attest(token: token, name: "host-a")
        }
    }

    @Test func `an agent gets SVIDs for identities of its own group only`() async throws {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(
                Manifests.identity("mine") + "---\n" + Manifests.identity("theirs", group: "other"))
            let agent = try await plane.agent()
            let mine = try await plane.workload("mine", of: agent)
            #expect(mine.id.description == "spiffe://test.example/mine")
            for path in ["theirs", "nobody", "tidemark/server", "tidemark/agent/weather/host-a"] {
                #expect(await problem { try await plane.workload(path, of: agent) } == "not_in_group")
            }
            let records = try await plane.operators.audit(spiffeID: TestControlPlane.id("mine"))
            #expect(
                records.contains { $0.type == "svid.issued" && $0.details["svidSerial"] == .string(mine.serialNumber) })
            #expect(try await plane.operators.audit().count { $0.type == "svid.refused" } == 4)
        }
    }

    @Test func `a JWT-SVID is issued under the same rule`() async throws {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(Manifests.identity("mine"))
            let agent = try await plane.agent()
            try await plane.withClient(as: agent) { client in
                let mine = try TestControlPlane.id("mine")
                let answer = try await client.jwtSVID(JWTSVIDRequest(spiffeID: mine, audience: ["https://as.example"]))
                #expect(answer.token.split(separator: ".").count == 3)
                let nobody = try TestControlPlane.id("nobody")
                #expect(
                    await problem { try await client.jwtSVID(JWTSVIDRequest(spiffeID: nobody, audience: ["x"])) }
                        == "not_in_group")
                #expect(
                    await problem { try await client.jwtSVID(JWTSVIDRequest(spiffeID: mine, audience: [])) }
                        == "body_invalid")
            }
        }
    }

    @Test func `an agent renews its own SVID under the same name`() async throws {
        try await TestControlPlane.serve { plane in
            let agent = try await plane.agent()
            let key = P256.Signing.PrivateKey()
            let request = RenewRequest(csr: try TestControlPlane.signingRequest(key))
            let renewed = try await plane.withClient(as: agent) {
                try TestControlPlane.svid(try await $0.renew(request), key)
            }
            #expect(renewed.id == agent.id)
            #expect(renewed.serialNumber != agent.serialNumber)
        }
    }

    @Test func `an agent whose record is removed can do nothing any more`() async throws {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(Manifests.identity("mine"))
            let agent = try await plane.agent()
            _ = try await plane.workload("mine", of: agent)
            try await plane.state.store.database.write { try $0.execute(sql: "DELETE FROM agents") }
            #expect(await problem { try await plane.workload("mine", of: agent) } == "not_an_agent")
            #expect(
                await problem {
                    try await plane.withClient(as: agent) { try await $0.acknowledge(Acknowledgement(version: 1)) }
                }
                    == "not_an_agent")
        }
    }

    @Test func `a workload's SVID, or none, opens nothing that is an agent's`() async throws {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(Manifests.identity("mine"))
            let workload = try await plane.workload("mine", of: plane.agent())
            #expect(await problem { try await plane.workload("mine", of: workload) } == "not_an_agent")
            let request = EndpointReport(endpoints: [])
            #expect(
                await problem { try await plane.withClient { try await $0.report(endpoints: request) } }
                    == "client_certificate_missing")
        }
    }

    @Test func `an SVID of another authority for the same name is refused in the handshake`() async throws {
        let elsewhere = TestControlPlane.temporaryDirectory()
        defer { try? FileManager.default.removeItem(at: elsewhere) }
        try await TestControlPlane.serve { plane in
            let agent = try await plane.agent()
            let rogue = try CertificateAuthority.open(
                directory: elsewhere, trustDomain: TrustDomain(TestControlPlane.trustDomain), now: Date())
            let key = P256.Signing.PrivateKey()
            let chain = try rogue.issueX509SVID(
                for: agent.id, request: SigningRequest(der: TestControlPlane.signingRequest(key)),
                lifetime: .seconds(60), now: Date())
            let forged = try X509SVID(chain: chain, privateKey: key)
            await #expect {
                try await plane.withClient(as: forged) { try await $0.acknowledge(Acknowledgement(version: 1)) }
            } throws: { error in
                if case .unreachable = error as? ControlPlaneError { true } else { false }
            }
        }
    }
}
