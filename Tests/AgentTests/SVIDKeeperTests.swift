@testable import Agent
import ControlPlaneAPI
import Crypto
import Foundation
import Kernel
import Logging
import SPIFFE
import Testing
import Workloads
import X509

/// Of an agent that the control plane has not let in: asking fails, and is remembered all the same.
@Suite("SVID keeper")
struct SVIDKeeperTests {
    private let domain: TrustDomain
    private let authority: P256.Signing.PrivateKey
    private let board: PolicyBoard
    private let link: ControlPlaneLink

    init() throws {
        domain = try TrustDomain("demo.example")
        authority = P256.Signing.PrivateKey()
        board = PolicyBoard(try Self.policy(["agents/{{process:uid}}"], in: domain))
        let configuration = AgentConfiguration(
            name: "a", controlPlane: .init(address: "https://127.0.0.1:1", caFile: "/nonexistent"))
        link = ControlPlaneLink(
            configuration: configuration, vault: EmptyVault(),
            bundle: TrustBundle(
                trustDomain: domain, x509Authorities: [try Self.certificate(of: nil, by: authority)]),
            logger: Self.silent)
    }

    @Test func `so many identities of a host have an SVID and no more, until some end`() async throws {
        let keeper = keeper(most: 6)
        for number in 0..<3 { #expect(await refusal(of: number, by: keeper)?.contains("not attested") == true) }
        for number in 3..<6 { #expect(await refusal(of: number, by: keeper)?.contains("left for others") == true) }
        // Who has a place keeps it.
        #expect(await refusal(of: 0, by: keeper)?.contains("not attested") == true)
        try await end(of: "agents/{{process:uid}}", for: keeper)
        #expect(await refusal(of: 5, by: keeper)?.contains("not attested") == true)
    }

    @Test func `a user who is many identities of a template leaves room for another's, and for those written out`()
        async throws
    {
        board.change { $0 = (try? Self.policy(["agents/{{process:uid}}", "agents/x"], in: domain)) ?? $0 }
        let keeper = keeper(most: 6)
        for number in 0..<100 { _ = await refusal(of: number, by: keeper, user: 1000) }
        #expect(await refusal(of: 100, by: keeper, user: 1000)?.contains("left for others") == true)
        for number in 200..<202 {
            #expect(await refusal(of: number, by: keeper, user: 1001)?.contains("not attested") == true)
        }
        for user in 2000..<2100 { _ = await refusal(of: user, by: keeper, user: UInt32(user)) }
        let written = try SPIFFEID("spiffe://demo.example/agents/x")
        await #expect {
            try await keeper.svid(for: written, process: nil)
        } throws: {
            "\($0)".contains("not attested")
        }
    }

    @Test func `who got none, and asks no more, makes room`() async throws {
        let keeper = keeper(most: 1)
        _ = await refusal(of: 0, by: keeper)
        let running = Task { await keeper.run() }
        defer { running.cancel() }
        try await eventually { await refusal(of: 1, by: keeper)?.contains("not attested") == true }
    }

    @Test func `what speaks to the control plane as a workload ends with its identity, and is one meanwhile`()
        async throws
    {
        let keeper = keeper(most: 10)
        let svid = try svid(of: 7)
        _ = await refusal(of: 7, by: keeper)
        _ = await refusal(of: 8, by: keeper)
        let first = try await link.client(as: svid)
        #expect(try await link.client(as: svid) === first)
        // A renewed SVID is shown by the same one.
        #expect(try await link.client(as: self.svid(of: 7)) === first)
        _ = try await link.client(as: self.svid(of: 8))
        #expect(await link.spokenFor == [try id(7), try id(8)])
        await keeper.follow(board.current)
        try await Task.sleep(for: .milliseconds(50))
        #expect(await link.spokenFor.count == 2)
        try await end(of: "agents/{{process:uid}}", for: keeper)
        try await eventually { await link.spokenFor.isEmpty }
        #expect(try await link.client(as: svid) !== first)
        await link.forgetClients(of: [svid.id])
        #expect(await link.spokenFor.isEmpty)
    }

    /// Three at half of their lives: one that a connection asked for in it, one that something listens as, one that nobody wants.
    @Test func `an SVID is renewed while somebody uses it, and let run out where nobody does`() async throws {
        let keeper = keeper(most: 10)
        let place = InternetEndpoint(address: try #require(InternetAddress("0.0.0.0")), port: 9000)
        let server = try id(2)
        board.change { $0.listening[7] = ListeningWorkloads(bound: [place: server]) }
        for number in 1...3 { await keeper.hold(try svid(of: number, from: Date() - 500, to: Date() + 100)) }
        _ = try await keeper.svid(for: id(1), process: nil)
        let running = Task { await keeper.run() }
        defer { running.cancel() }
        for renewed in [try id(1), try id(2)] { try await eventually { await isFailing(keeper.state(of: renewed)) } }
        // All that are due are looked at in one turn.
        guard case .held = await keeper.state(of: try id(3)) else {
            Issue.record("an SVID was asked for that nobody wants")
            return
        }
    }

    private func isFailing(_ state: SVIDState?) -> Bool { if case .stale = state { true } else { false } }

    private func keeper(most: Int) -> SVIDKeeper {
        SVIDKeeper(
            link: link, policy: board, most: most,
            evidence: { ProcessEvidence(pid: $0.pid, startTime: 1, exe: "", argv: [], uid: UInt32($0.pid)) },
            logger: Self.silent)
    }

    private func refusal(of number: Int, by keeper: SVIDKeeper, user: UInt32? = nil) async -> String? {
        do {
            let process = user.map { ProcessKey(pid: Int32($0), startTime: 1) }
            _ = try await keeper.svid(for: id(number), process: process)
            return nil
        } catch { return "\(error)" }
    }

    /// A policy without it, and the one of before again.
    private func end(of workloadID: String, for keeper: SVIDKeeper) async throws {
        await keeper.follow(try Self.policy(["other"], in: domain))
        await keeper.follow(try Self.policy([workloadID], in: domain))
    }

    private func eventually(_ condition: () async -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while await !condition() {
            try #require(ContinuousClock.now < deadline)
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    private func id(_ number: Int) throws -> SPIFFEID { try SPIFFEID("spiffe://demo.example/agents/\(number)") }

    private func svid(
        of number: Int, from begin: Date = Date() - 60, to end: Date = Date() + 600,
    ) throws -> X509SVID {
        let key = P256.Signing.PrivateKey()
        return try X509SVID(
            chain: [Self.certificate(of: key, by: authority, id(number), from: begin, to: end)], privateKey: key)
    }

    private static let silent = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

    private static func policy(_ workloadIDs: [String], in domain: TrustDomain) throws -> EnforcedPolicy {
        try EnforcedPolicy(
            PolicySnapshot(
                version: 1, trustDomain: domain, bundle: TrustBundle(trustDomain: domain, x509Authorities: []),
                identities: workloadIDs.enumerated().map { index, workloadID in
                    WorkloadIdentity(
                        name: "w\(index)", agentGroup: "g", workloadID: WorkloadName(stringLiteral: workloadID),
                        selectors: [Selector(userIDs: [UInt32(1 + index)])])
                }, resources: [], endpoints: [], withdrawn: [], revokedTokens: [], svidLifetime: 120))
    }

    /// - Parameter key: nil for the authority's own.
    private static func certificate(
        of key: P256.Signing.PrivateKey?, by authority: P256.Signing.PrivateKey, _ id: SPIFFEID? = nil,
        from begin: Date = Date() - 60, to end: Date = Date() + 600,
    ) throws -> Certificate {
        try Certificate(
            version: .v3, serialNumber: .init(), publicKey: .init((key ?? authority).publicKey),
            notValidBefore: begin, notValidAfter: end, issuer: DistinguishedName(),
            subject: DistinguishedName(), signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(
                    key == nil
                        ? BasicConstraints.isCertificateAuthority(maxPathLength: nil)
                        : BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: key != nil, keyCertSign: key == nil))
                Critical(
                    SubjectAlternativeNames([.uniformResourceIdentifier(id?.description ?? "spiffe://demo.example")]))
            },
            issuerPrivateKey: .init(authority))
    }
}

private struct EmptyVault: ControlPlaneLink.CredentialVault {
    func load() -> [UInt8]? { nil }
    func store(_ bytes: [UInt8]) throws {}
}
