import Issuer
import SPIFFE
import Testing

@Suite("Issuance policy")
struct IssuancePolicyTests {
    let agent: SPIFFEID
    let workload: SPIFFEID

    init() throws {
        agent = try SPIFFEID("spiffe://td/tidemark/agent/group/host-a")
        workload = try SPIFFEID("spiffe://td/weather-agent")
    }

    private func decision(_ requested: String, as caller: SPIFFEID? = nil) throws -> IssuanceDecision {
        let requested = try SPIFFEID(requested)
        // Even a manifest that slipped in such a name gives nobody the right to it.
        let identities: Set = [
            workload, try SPIFFEID("spiffe://td/tidemark/server"), try SPIFFEID("spiffe://td/tidemark"),
            try SPIFFEID("spiffe://other/weather-agent"),
        ]
        return IssuancePolicy.decision(
            agent: caller ?? agent, agentGroup: "group", requested: requested, identitiesOfGroup: identities,
        )
    }

    @Test func `an identity of the agent's group is issued`() throws {
        #expect(
            try decision("spiffe://td/weather-agent")
                == .issue(
                    because: "a manifest gives spiffe://td/weather-agent to agent group \"group\""))
    }

    @Test(arguments: [
        "spiffe://td/unknown", "spiffe://td/weather-agent/x", "spiffe://td/tidemark/server", "spiffe://td/tidemark",
        "spiffe://td/tidemark/agent/group/host-a", "spiffe://other/weather-agent",
    ])
    func `any other name is refused`(_ requested: String) throws {
        guard case .refuse = try decision(requested) else {
            Issue.record("\(requested) was issued")
            return
        }
    }

    @Test func `a workload can not ask for itself`() throws {
        guard case .refuse = try decision("spiffe://td/weather-agent", as: workload) else {
            Issue.record("issued to a workload")
            return
        }
    }
}
