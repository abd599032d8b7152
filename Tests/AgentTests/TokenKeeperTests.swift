import Agent
import ControlPlaneAPI
import Crypto
import Foundation
import Gateway
import Proxy
import SPIFFE
import Synchronization
import Testing
import Workloads
import X509

@Suite("Token keeper")
struct TokenKeeperTests {
    private let issuer = CountingIssuer()
    private let keeper: TokenKeeper

    init() { keeper = TokenKeeper { [issuer] _ in issuer } }

    @Test func `a token is asked for once, as long as the resource is declared as it was`() async throws {
        let svid = try Self.svid()
        let first = try await keeper.token(for: Self.resource(["read"]), svid: svid)
        await keeper.retain([try Self.resource(["read"])])
        #expect(try await keeper.token(for: Self.resource(["read"]), svid: svid).value == first.value)
        #expect(issuer.asked == ["read"])
    }

    @Test func `a token of fewer scopes is not used once the resource has gained one`() async throws {
        let svid = try Self.svid()
        let narrow = try await keeper.token(for: Self.resource(["read"]), svid: svid)
        await keeper.retain([try Self.resource(["read", "write"])])
        let wide = try await keeper.token(for: Self.resource(["read", "write"]), svid: svid)
        #expect(wide.value != narrow.value)
        #expect(issuer.asked == ["read", "read write"])
    }

    @Test func `nor is one of more scopes once it has lost one`() async throws {
        let svid = try Self.svid()
        _ = try await keeper.token(for: Self.resource(["read", "write"]), svid: svid)
        _ = try await keeper.token(for: Self.resource(["read"]), svid: svid)
        #expect(issuer.asked == ["read write", "read"])
    }

    @Test func `a token is that of the SVID it is bound to`() async throws {
        for _ in 0..<2 { _ = try await keeper.token(for: Self.resource(["read"]), svid: Self.svid()) }
        #expect(issuer.asked == ["read", "read"])
    }

    @Test func `who is told to wait does not ask again until then, and fails closed`() async throws {
        let svid = try Self.svid()
        let resource = try Self.resource(["read"])
        issuer.refuse(retryAfter: 60)
        for _ in 0..<5 {
            let refusal = await #expect(throws: Refusal.self) { try await keeper.token(for: resource, svid: svid) }
            #expect(refusal?.status == 503 && refusal?.retryAfter == 60)
        }
        #expect(issuer.asked == ["read"])
        issuer.refuse(retryAfter: nil)
        let soon = TokenKeeper { [issuer] _ in issuer }
        #expect(try await soon.token(for: resource, svid: svid).value == "token-2")
    }

    @Test func `a no is the caller's to know whatever is held; that nobody answers is not, while the held one lasts`()
        async throws
    {
        let time = Mutex(Date(timeIntervalSince1970: 1_800_000_000))
        let keeper = TokenKeeper(at: { time.withLock { $0 } }) { [issuer] _ in issuer }
        let (svid, resource) = (try Self.svid(), try Self.resource(["read"]))
        let held = try await keeper.token(for: resource, svid: svid)
        // Three quarters of its life are over, and it is due.
        time.withLock { $0 += 500 }
        issuer.fail(.unreachable(address: "control-plane", reason: "away"))
        #expect(try await keeper.token(for: resource, svid: svid).value == held.value)
        issuer.fail(.problem(Problem(error: "access_denied", message: "not allowed")))
        let refusal = await #expect(throws: Refusal.self) { try await keeper.token(for: resource, svid: svid) }
        #expect(refusal?.status == 403 && refusal?.error == "access_denied")
        issuer.fail(.unreachable(address: "control-plane", reason: "away"))
        time.withLock { $0 += 100 }
        await #expect(throws: AgentError.self) { try await keeper.token(for: resource, svid: svid) }
        #expect(issuer.asked.count == 4)
    }

    @Test func `a token for what is not declared any more is forgotten`() async throws {
        let svid = try Self.svid()
        _ = try await keeper.token(for: Self.resource(["read"]), svid: svid)
        await keeper.retain([])
        _ = try await keeper.token(for: Self.resource(["read"]), svid: svid)
        #expect(issuer.asked == ["read", "read"])
    }

    private static func resource(_ scopes: [String]) throws -> ProtectedResource {
        ProtectedResource(
            name: "forecast", resource: try ResourceURL(checking: "http://10.0.0.2:8000/mcp"),
            servedBy: try SPIFFEID("spiffe://demo.example/server").path, scopes: scopes, allowed: [])
    }

    private static func svid() throws -> X509SVID {
        let key = P256.Signing.PrivateKey()
        let leaf = try Certificate(
            version: .v3, serialNumber: .init(), publicKey: .init(key.publicKey), notValidBefore: Date() - 60,
            notValidAfter: Date() + 600, issuer: DistinguishedName(), subject: DistinguishedName(),
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
                Critical(SubjectAlternativeNames([.uniformResourceIdentifier("spiffe://demo.example/client")]))
            },
            issuerPrivateKey: .init(key))
        return try X509SVID(chain: [leaf], privateKey: key)
    }
}

/// Gives another token each time, and remembers for what scopes.
private final class CountingIssuer: TokenIssuer {
    private let scopes = Mutex<[String]>([])
    private let failure = Mutex<ControlPlaneError?>(nil)

    func refuse(retryAfter seconds: Int?) {
        fail(
            seconds.map {
                .problem(Problem(error: "temporarily_unavailable", message: "wait", retryAfter: $0))
            })
    }

    func fail(_ error: ControlPlaneError?) { failure.withLock { $0 = error } }

    var asked: [String] { scopes.withLock { $0 } }

    func registerOAuthClient(scope: String?) async throws(ControlPlaneError) -> OAuthRegistration {
        OAuthRegistration(clientID: "spiffe://demo.example/client", scope: scope)
    }

    func token(clientID: SPIFFEID, resource: String, scope: String) async throws(ControlPlaneError) -> OAuthToken {
        let number = scopes.withLock { scopes in
            scopes.append(scope)
            return scopes.count
        }
        if let failure = failure.withLock({ $0 }) { throw failure }
        return OAuthToken(accessToken: "token-\(number)", expiresIn: 600, scope: scope)
    }
}
