@testable import Proxy
import NIOCore
import SPIFFE
import Testing
import Workloads

@Suite("Connection plan: what is done with a connection") struct ConnectionPlanTests {
    private let agent: SPIFFEID
    private let peers: PeerPolicy
    private let resource: ProtectedResource

    init() throws {
        agent = try SPIFFEID("spiffe://td/agent")
        peers = PeerPolicy(trustDomain: try TrustDomain("td"))
        resource = try TwoHosts.resource("/mcp")
    }

    private func plan(
        _ passage: Passage?, known: Bool, protected: Bool = false, withdrawn: Withdrawals = [],
    ) throws -> ConnectionPlan {
        let flow = OutboundFlow(
            opener: Opener(process: ProcessKey(pid: 1, startTime: 1)), workload: agent,
            destination: try SocketAddress(ipAddress: "10.0.0.1", port: 8000), placeIsKnown: known)
        let peers = PeerPolicy(trustDomain: try TrustDomain("td"), withdrawn: withdrawn)
        return OutboundRoute(
            expected: nil, peers: peers, resources: protected ? [resource] : [], passage: passage
        ).plan(for: flow)
    }

    @Test func `a managed place is reached by mutual TLS, in HTTP where resources are served`() throws {
        #expect(try plan(nil, known: true) == .carry(.mutualTLS(.raw)))
        #expect(try plan(nil, known: true, protected: true) == .carry(.mutualTLS(.http)))
        // As was found out while it was held.
        #expect(try plan(nil, known: false) == .carry(.mutualTLS(.raw)))
    }

    @Test func `who dialled a managed place never goes on in plain text, whatever is known by now`() throws {
        for passage in [
            Passage.plain(because: "listed"), .ownTLS([Egress(form: .tls)]), .closed(because: "unknown"),
        ] {
            #expect(try plan(passage, known: true) == .carry(.mutualTLS(.raw)))
        }
    }

    @Test func `a place nobody managed is known at is reached as egress says`() throws {
        let entry = Egress(form: .tls)
        #expect(try plan(.plain(because: "listed"), known: false) == .carry(.plainText(.raw, because: "listed")))
        #expect(try plan(.ownTLS([entry]), known: false) == .ownTLS([entry]))
        #expect(try plan(.closed(because: "unknown"), known: false) == .held(because: "unknown"))
        // What egress lets go is not looked into.
        let protected = try plan(.plain(because: "listed"), known: false, protected: true)
        #expect(protected == .carry(.plainText(.raw, because: "listed")))
    }

    @Test func `an identity that was deleted reaches nothing`() throws {
        for passage in [nil, Passage.plain(because: "listed"), .closed(because: "unknown")] {
            for known in [true, false] {
                #expect(try plan(passage, known: known, withdrawn: [agent]) == .refused(.ownIdentityGone(agent)))
            }
        }
    }

    @Test(arguments: [false, true]) func `a client without TLS is let by as the mode says`(_ protected: Bool) {
        let lane: Carriage.Lane = protected ? .http : .raw
        func route(_ mode: WorkloadIdentity.TLSMode) -> InboundRoute {
            InboundRoute(workload: agent, peers: peers, tlsMode: mode, resources: protected ? [resource] : [])
        }
        #expect(route(.mutual).plan(beginsTLS: true) == .carry(.mutualTLS(lane)))
        #expect(route(.permissive).plan(beginsTLS: true) == .carry(.mutualTLS(lane)))
        guard case .refused(.plainText) = route(.mutual).plan(beginsTLS: false) else {
            Issue.record("MUTUAL lets plain text by")
            return
        }
        guard case .carry(.plainText(lane, _)) = route(.permissive).plan(beginsTLS: false) else {
            Issue.record("PERMISSIVE does not let plain text by")
            return
        }
    }
}
