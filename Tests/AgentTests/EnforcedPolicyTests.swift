import Agent
import ControlPlaneAPI
import Kernel
import Limits
import Proxy
import SPIFFE
import Testing
import Workloads

@Suite("Enforced policy")
struct EnforcedPolicyTests {
    private let domain: TrustDomain
    private let server: SPIFFEID
    private let client: SPIFFEID
    private static let network: UInt64 = 1

    init() throws {
        domain = try TrustDomain("demo.example")
        server = try SPIFFEID("spiffe://demo.example/server")
        client = try SPIFFEID("spiffe://demo.example/client")
    }

    private func endpoint(_ address: String, _ port: UInt16) throws -> InternetEndpoint {
        InternetEndpoint(address: try #require(InternetAddress(address)), port: port)
    }

    private func identity(_ name: String, words: String) -> WorkloadIdentity {
        WorkloadIdentity(
            name: name, agentGroup: "g", workloadID: WorkloadName(stringLiteral: name),
            selectors: [Selector(commandLines: [["python", words]])],
        )
    }

    private func policy(
        withdrawn: [SPIFFEID] = [], through: IssueTime? = nil, identities: [WorkloadIdentity]? = nil,
        after former: EnforcedPolicy = .nothing,
    ) throws -> EnforcedPolicy {
        let resource = ProtectedResource(
            name: "r", resource: try #require(ResourceURL("http://10.0.0.2:8000/mcp")), servedBy: "server",
            scopes: ["read"], allowed: [try SPIFFEIDPattern("spiffe://demo.example/client")],
        )
        return try EnforcedPolicy(
            PolicySnapshot(
                version: 7, trustDomain: domain, bundle: TrustBundle(trustDomain: domain, x509Authorities: []),
                identities: identities ?? [identity("server", words: "s.py"), identity("client", words: "c.py")],
                resources: [resource], endpoints: [Endpoint(address: "10.0.0.2", port: 8000, workload: server)],
                withdrawn: withdrawn, revokedTokens: [], svidLifetime: 120,
                withdrawals: through.map { [Withdrawal(spiffeID: client, through: $0)] },
            ),
            after: former,
        )
    }

    @Test func `identities in conflict are refused, also where only some of them are new`() throws {
        let server = identity("server", words: "s.py"), client = identity("client", words: "c.py")
        var rival = identity("rival", words: "s.py")
        #expect(throws: AgentError.self) { try policy(identities: [client, rival, server]) }
        let former = try policy(identities: [client, server])
        #expect(throws: AgentError.self) { try policy(identities: [client, rival, server], after: former) }
        #expect(throws: AgentError.self) {
            try policy(identities: [client, identity("server", words: "c.py")], after: former)
        }
        rival.priority = 1
        #expect(try policy(identities: [client, rival, server], after: former).program.slots.count == 3)
    }

    @Test func `a reported endpoint is expected to be its workload, and its port has the resource`() throws {
        let route = try #require(
            try policy().outbound(workload: client, destination: endpoint("10.0.0.2", 8000), network: Self.network))
        #expect(route.expected == server)
        #expect(route.resources.map(\.name) == ["r"])
    }

    @Test func `a wildcard listener here does not stand for the same port on another host`() throws {
        var policy = try policy()
        policy.listening[Self.network] = ListeningWorkloads(bound: [try endpoint("0.0.0.0", 9000): server])
        let route = try #require(
            policy.outbound(workload: client, destination: try endpoint("10.9.9.9", 9000), network: Self.network))
        #expect(route.expected == nil)
        #expect(policy.listener(at: try endpoint("10.9.9.9", 9000), network: Self.network) == server)
    }

    @Test func `where nobody listens any more is told from where somebody else does`() throws {
        var policy = try policy()
        policy.listening[1] = ListeningWorkloads(taken: [try endpoint("0.0.0.0", 9000), try endpoint("10.0.0.2", 9001)])
        #expect(policy.isTaken(try endpoint("10.0.0.2", 9000), network: 1))
        #expect(policy.isTaken(try endpoint("10.0.0.2", 9001), network: 1))
        #expect(!policy.isTaken(try endpoint("10.0.0.3", 9001), network: 1))
        #expect(!policy.isTaken(try endpoint("10.0.0.2", 9000), network: 2))
    }

    @Test func `a loopback address is another place in each network namespace, any other the same`() throws {
        var policy = try policy()
        policy.listening[1] = ListeningWorkloads(reachable: [try endpoint("127.0.0.1", 9000): server])
        policy.listening[2] = ListeningWorkloads(reachable: [
            try endpoint("127.0.0.1", 9000): client, try endpoint("172.17.0.2", 9000): client,
        ])
        let expected = { (address: String, network: UInt64) in
            try policy.outbound(workload: server, destination: endpoint(address, 9000), network: network)?.expected
        }
        #expect(try expected("127.0.0.1", 1) == server)
        #expect(try expected("127.0.0.1", 2) == client)
        #expect(try expected("127.0.0.1", 3) == nil)
        #expect(try expected("172.17.0.2", 1) == client)
        #expect(try policy.destinations == [endpoint("10.0.0.2", 8000), endpoint("172.17.0.2", 9000)])
        #expect(try policy.localDestinations[2] == [endpoint("127.0.0.1", 9000)])
    }

    @Test func `an address that somebody gave to a namespace of his own is nobody else's destination`() throws {
        var policy = try policy()
        let taken = try endpoint("10.0.0.9", 5432)
        policy.listening[2] = ListeningWorkloads(reachable: [taken: client], elsewhere: [:])
        #expect(try policy.destinations == [endpoint("10.0.0.2", 8000)])
        #expect(policy.localDestinations[2] == [taken])
        #expect(policy.outbound(workload: server, destination: taken, network: 1)?.expected == nil)
        #expect(policy.outbound(workload: server, destination: taken, network: 2)?.expected == client)
    }

    @Test(arguments: [
        "127.0.0.1", "::1", "0.0.0.0", "::", "169.254.1.1", "224.0.0.1", "ff02::1", "255.255.255.255",
    ])
    func `an address that is not one host's means nothing to others`(_ address: String) throws {
        #expect(!(try endpoint(address, 80).hasOneMeaning))
    }

    @Test func `where nobody is known to be managed the identity's egress says what may be reached`() throws {
        var mutual = identity("server", words: "s.py")
        mutual.outbound = Outbound(egress: [Egress(addresses: [try AddressRange("192.0.2.0/24")], form: .plain)])
        let policy = try policy(identities: [mutual, identity("client", words: "c.py")])
        let passage = { (workload: SPIFFEID, address: String) in
            policy.outbound(workload: workload, destination: try endpoint(address, 8000), network: Self.network)?
                .passage
        }
        #expect(try passage(server, "10.0.0.2") == nil)
        guard case .plain? = try passage(server, "192.0.2.1"), case .closed? = try passage(server, "192.0.3.1"),
            case .plain? = try passage(client, "192.0.3.1")
        else { return #expect(Bool(false), "plain, none, plain") }
        let rules = policy.outboundRules(["server": IdentityHandle(rawValue: 1), "client": IdentityHandle(rawValue: 2)])
        #expect(rules.lists == [IdentityHandle(rawValue: 1): [try AddressRange("192.0.2.0/24"): [.all]]])
    }

    @Test func `a deleted identity neither calls nor is called`() throws {
        var policy = try policy(withdrawn: [client])
        policy.listening[Self.network] = ListeningWorkloads(bound: [try endpoint("0.0.0.0", 9000): client])
        #expect(!policy.owns(client))
        #expect(
            policy.outbound(workload: client, destination: try endpoint("10.0.0.2", 8000), network: Self.network) == nil
        )
        #expect(policy.inbound(destination: try endpoint("10.0.0.1", 9000), workload: client) == nil)
        let route = try #require(
            policy.outbound(workload: server, destination: try endpoint("10.0.0.2", 8000), network: Self.network))
        #expect(route.peers.decision(for: client, issuedAt: IssueTime(seconds: 1)).refusal != nil)
    }

    @Test func `an identity that is given again speaks, and its peers and its agent take what was issued since`() throws
    {
        let policy = try policy(through: IssueTime(seconds: 100))
        #expect(policy.owns(client))
        let route = try #require(
            policy.outbound(workload: server, destination: try endpoint("10.0.0.2", 8000), network: Self.network))
        #expect(route.peers.decision(for: client, issuedAt: IssueTime(seconds: 100)).refusal != nil)
        #expect(route.peers.decision(for: client, issuedAt: IssueTime(seconds: 101)).refusal == nil)
        #expect(route.peers.decision(for: server, issuedAt: IssueTime(seconds: 1)).refusal == nil)
    }

    @Test func `an identity of another group is not this agent's to speak as`() throws {
        #expect(!(try policy(identities: [identity("server", words: "s.py")]).owns(client)))
    }

    @Test func `an IPv4 connection can belong to a dual-stack wildcard, an IPv6 one not to an IPv4 wildcard`() throws {
        var policy = try policy()
        policy.listening[Self.network] = ListeningWorkloads(bound: [
            try endpoint("::", 9000): server, try endpoint("0.0.0.0", 9001): client,
        ])
        #expect(policy.listener(at: try endpoint("10.0.0.1", 9000), network: Self.network) == server)
        #expect(policy.listener(at: try endpoint("fd00::1", 9001), network: Self.network) == nil)
    }

    @Test func `what a template yields is this agent's, and nothing else`() throws {
        var template = identity("agents", words: "a.py")
        template.workloadID = "agents/{{process:uid}}"
        let yielded = try SPIFFEID("spiffe://demo.example/agents/1001")
        let policy = try policy(identities: [template, identity("server", words: "s.py")])
        #expect(policy.owns(yielded))
        #expect(policy.identity(of: yielded)?.name == "agents")
        #expect(try policy.inbound(destination: endpoint("10.0.0.1", 9000), workload: yielded) != nil)
        for other in ["demo.example/agents/x", "demo.example/agents/x/y", "other.example/agents/1001"] {
            #expect(!policy.owns(try SPIFFEID("spiffe://" + other)))
        }
        #expect(!(try self.policy(withdrawn: [yielded], identities: [template]).owns(yielded)))
    }

    @Test func `two identities that cannot be told apart are no policy`() throws {
        #expect(throws: AgentError.self) {
            try policy(identities: [identity("one", words: "s.py"), identity("two", words: "s.py")])
        }
    }
}

@Suite("Handle table")
struct HandleTableTests {
    @Test func `a handle of another life of the agent names nobody`() {
        let before = HandleTable(start: 0x0001_0000)
        let after = HandleTable(start: 0x0002_0000)
        let old = before.handles(for: ["server", "client"])
        let new = after.handles(for: ["client", "server"])
        for handle in old.values { #expect(after.workloadID(of: handle) == nil) }
        #expect(Set(old.values).isDisjoint(with: new.values))
    }

    @Test func `numbers that mean something are left out, and counting goes on at the end`() {
        let table = HandleTable(start: 0xffff_fff8)
        let taken = table.handles(for: (0..<32).map { WorkloadName(stringLiteral: "w\($0)") })
        #expect(Set(taken.values).count == 32)
        #expect(Set(taken.values).isDisjoint(with: [.none, .undecided, .unknown, table.closed]))
        #expect(table.workloadID(of: table.closed) == nil)
        #expect(![.none, .undecided, .unknown].contains(table.closed))
        for (workloadID, handle) in taken { #expect(table.workloadID(of: handle) == workloadID) }
    }

    @Test
    func `what no policy has is forgotten where there is too much, oldest first, and the policy's IDs keep theirs`() {
        let table = HandleTable()
        let policy = table.handles(ofPolicy: (0..<4096).map { WorkloadName(stringLiteral: "p\($0)") })
        let old = table.handles(for: ["old"]), limit = Limits.Identities.handles
        for start in stride(from: 0, to: limit, by: 4096) {
            _ = table.handles(for: (start..<start + 4096).lazy.map { WorkloadName(stringLiteral: "t\($0)") })
            #expect(table.count <= limit + 4096)
        }
        #expect(table.count <= limit)
        for (workloadID, handle) in policy { #expect(table.workloadID(of: handle) == workloadID) }
        #expect(old.values.allSatisfy { table.workloadID(of: $0) == nil })
        #expect(
            table.handles(for: [WorkloadName(stringLiteral: "t\(limit - 1)")]).values.allSatisfy {
                table.workloadID(of: $0) != nil
            })
    }

    @Test func `an ID keeps its handle, none is zero, and no two share one`() {
        let table = HandleTable()
        let first = table.handles(for: ["a", "b"])
        let second = table.handles(for: ["b", "a", "c"])
        #expect(first["a"] == second["a"] && first["b"] == second["b"])
        #expect(Set(second.values).count == 3 && !second.values.contains(.none))
    }
}
