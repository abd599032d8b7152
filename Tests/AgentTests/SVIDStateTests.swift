import Agent
import Crypto
import Foundation
import SPIFFE
import Testing
import X509

@Suite("SVID state")
struct SVIDStateTests {
    private let start = Date(timeIntervalSince1970: 1_800_000_000)

    private func svid(lifetime: TimeInterval = 120) throws -> X509SVID {
        let key = P256.Signing.PrivateKey()
        let leaf = try Certificate(
            version: .v3, serialNumber: .init(bytes: [1, 2, 3]), publicKey: .init(key.publicKey),
            notValidBefore: start, notValidAfter: start.addingTimeInterval(lifetime), issuer: DistinguishedName(),
            subject: DistinguishedName(), signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
                Critical(SubjectAlternativeNames([.uniformResourceIdentifier("spiffe://demo.example/client")]))
            },
            issuerPrivateKey: .init(key),
        )
        return try X509SVID(chain: [leaf], privateKey: key)
    }

    @Test func `it is due at half life, at most a tenth of that early`() throws {
        let state = SVIDState.held(try svid(lifetime: 150))
        #expect(state.due(jitter: 0) == start.addingTimeInterval(30 + 60))
        #expect(state.due(jitter: 1) == start.addingTimeInterval(30 + 54))
    }

    @Test func `an SVID keeps its moment, and those of a host are spread over the tenth`() throws {
        let states = try (0..<64).map { _ in SVIDState.held(try svid(lifetime: 150)) }
        #expect(states.map(\.due) == states.map(\.due))
        // Six seconds wide: of 64 moments none falls into one of three parts once in 10^11.
        let parts = states.map { Int($0.due.timeIntervalSince(start.addingTimeInterval(84)) / 2.000_001) }
        #expect(Set(parts) == [0, 1, 2])
    }

    @Test(arguments: [10.0, 20, 60, 3600])
    func `thirty seconds of back-dating are no age: nothing is due at birth`(_ lifetime: TimeInterval) throws {
        let birth = start.addingTimeInterval(30)
        let state = SVIDState.held(try svid(lifetime: 30 + lifetime))
        for jitter in [0, 0.5, 1] {
            #expect(state.due(jitter: jitter) >= birth.addingTimeInterval(lifetime * 0.45))
            #expect(state.due(jitter: jitter) <= birth.addingTimeInterval(lifetime * 0.5))
        }
    }

    @Test func `while renewal fails the old one is used until it ends, and then nothing is`() throws {
        let failing = SVIDState.held(try svid()).failing(because: "away", at: start.addingTimeInterval(60))
        #expect(failing.usable(at: start.addingTimeInterval(119)) != nil)
        #expect(failing.usable(at: start.addingTimeInterval(120)) == nil)
        let lost = failing.failing(because: "away", at: start.addingTimeInterval(121))
        #expect(lost.usable(at: start.addingTimeInterval(121)) == nil)
    }

    @Test func `retries come after 1, 2, 4 seconds and so on, never more than a minute apart`() {
        var state = SVIDState.firstFailure(because: "away", at: start)
        var waits: [TimeInterval] = []
        for _ in 0..<8 {
            waits.append(state.due(jitter: 0).timeIntervalSince(start))
            state = state.failing(because: "away", at: start)
        }
        #expect(waits == [1, 2, 4, 8, 16, 32, 60, 60])
    }

    @Test func `the agent's own credential survives as bytes, and noise is refused`() throws {
        let svid = try svid()
        let back = try AgentCredential(bytes: AgentCredential(svid).bytes()).svid()
        #expect(back.thumbprint == svid.thumbprint)
        #expect(back.privateKey.rawRepresentation == svid.privateKey.rawRepresentation)
        #expect(throws: AgentError.self) { try AgentCredential(bytes: [1, 2, 3]) }
    }
}
