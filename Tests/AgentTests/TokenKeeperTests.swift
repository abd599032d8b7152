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
    private let wait = Mutex<Int?>(nil)

    func refuse(retryAfter seconds: Int?) { wait.withLock { $0 = seconds } }

    var asked: [String] { scopes.withLock { $0 } }

    func registerOAuthClient(scope: String?) async throws(ControlPlaneError) -> OAuthRegistration {
        OAuthRegistration(clientID: "spiffe://demo.example/client", scope: scope)
    }

    func token(clientID: SPIFFEID, resource: String, scope: String) async throws(ControlPlaneError) -> OAuthToken {
        let number = scopes.withLock { scopes in
            scopes.append(scope)
            return scopes.count
        }
        if let seconds = wait.withLock({ $0 }) {
            throw .problem(Problem(error: "temporarily_unavailable", message: "wait", retryAfter: seconds))
        }
        return OAuthToken(accessToken: "token-\(number)", expiresIn: 600, scope: scope)
    }
}
