import SPIFFE
import Testing

@Suite("Peer rules") struct PeerRuleTests {
    private let domain: TrustDomain
    private let me: SPIFFEID
    private let peer: SPIFFEID
    private let other: SPIFFEID
    private let foreign: SPIFFEID
    private let issued = IssueTime(seconds: 1_000)

    init() throws {
        domain = try TrustDomain("td")
        me = try SPIFFEID("spiffe://td/me")
        peer = try SPIFFEID("spiffe://td/peer")
        other = try SPIFFEID("spiffe://td/other")
        foreign = try SPIFFEID("spiffe://elsewhere/peer")
    }

    @Test func `without allowedSPIFFEIDs workloads of the trust domain speak, and nobody else`() throws {
        let rule = rule(PeerPolicy(trustDomain: domain))
        #expect(decision(rule, peer) == .allowed(because: "same trust domain td"))
        #expect(decision(rule, foreign).refusal == .otherTrustDomain(foreign, than: domain))
        for path in ["tidemark/server", "tidemark/agent/g/host-a"] {
            let reserved = try SPIFFEID("spiffe://td/\(path)")
            #expect(decision(rule, reserved).refusal == .noWorkload(reserved))
        }
        let alike = try SPIFFEID("spiffe://td/tidemark-like")
        #expect(decision(rule, alike).refusal == nil)
    }

    @Test func `a list replaces the trust domain, and an empty one lets nobody in`() throws {
        let listed = rule(PeerPolicy(trustDomain: domain, allowed: [try SPIFFEIDPattern("spiffe://elsewhere/*")]))
        #expect(
            decision(listed, foreign) == .allowed(because: "allowedSPIFFEIDs has spiffe://elsewhere/*"))
        #expect(decision(listed, peer).refusal == .unlisted(peer))
        let nobody = rule(PeerPolicy(trustDomain: domain, allowed: []))
        #expect(decision(nobody, peer).refusal == .unlisted(peer))
    }

    @Test func `who is expected has to be there, though others are allowed`() {
        let rule = rule(PeerPolicy(trustDomain: domain), expected: peer)
        #expect(decision(rule, peer).refusal == nil)
        #expect(decision(rule, other).refusal == .unexpected(other, instead: peer))
    }

    @Test func `to be expected is not to be allowed`() {
        let rule = rule(PeerPolicy(trustDomain: domain, allowed: []), expected: peer)
        #expect(decision(rule, peer).refusal == .unlisted(peer))
    }

    @Test func `what is taken back goes before every list`() throws {
        let all = [try SPIFFEIDPattern("spiffe://td/*")]
        let gone = rule(PeerPolicy(trustDomain: domain, allowed: all, withdrawn: [peer]))
        #expect(decision(gone, peer).reason.hasPrefix("\(peer) was deleted"))
        #expect(decision(gone, other).refusal == nil)
        let before = Withdrawals(through: [peer: issued])
        let older = rule(PeerPolicy(trustDomain: domain, allowed: all, withdrawn: before))
        #expect(decision(older, peer).refusal != nil)
        let renewed = PeerRule.FarEnd.peer(peer, issuedAt: issued.next)
        #expect(older.decision(on: renewed).refusal == nil)
    }

    @Test func `a deleted workload speaks with nobody, in whatever form`() {
        let policy = PeerPolicy(trustDomain: domain, withdrawn: [me])
        let rule = rule(policy, plainText: .allowed(because: "let by"))
        for end in [.unproved, .plainText, .peer(peer, issuedAt: issued)] as [PeerRule.FarEnd] {
            #expect(rule.decision(on: end).refusal == .ownIdentityGone(me))
        }
    }

    @Test func `plain text is for the rule to allow, and who is unproved is not refused yet`() {
        let policy = PeerPolicy(trustDomain: domain, allowed: [])
        let open = rule(policy, plainText: .allowed(because: "let by"))
        let closed = rule(policy, plainText: .refused(because: "held off"))
        #expect(open.decision(on: .plainText) == .allowed(because: "let by"))
        #expect(closed.decision(on: .plainText).refusal == .plainText(because: "held off"))
        #expect(closed.decision(on: .unproved).refusal == nil)
    }

    private func rule(
        _ peers: PeerPolicy, expected: SPIFFEID? = nil, plainText: PeerRule.PlainText = .refused(because: "held off"),
    ) -> PeerRule {
        PeerRule(workload: me, expected: expected, peers: peers, plainText: plainText)
    }

    private func decision(_ rule: PeerRule, _ peer: SPIFFEID) -> PeerDecision {
        rule.decision(on: .peer(peer, issuedAt: issued))
    }
}
