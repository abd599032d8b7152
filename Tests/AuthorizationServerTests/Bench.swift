import AuthorizationServer
import Crypto
import Foundation
import SPIFFE
import Synchronization
import Testing
import Workloads

/// An authorization server with two resources, their servers, and clients of each kind.
///
/// `weather-agent` may have `weather` and `news`, `reader` only `news`; `weather-mcp-server` and `news-server`
/// serve them.
final class Bench: Sendable {
    static let start = Date(timeIntervalSince1970: 1_800_000_000)
    static let issuer = "https://cp.example:8443/oauth"
    static let weather = "http://weather.example:8000/mcp"
    static let news = "http://news.example/mcp"
    static let jwtSpiffe = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe"

    let svidKey = P256.Signing.PrivateKey()
    let foreignKey = P256.Signing.PrivateKey()
    let tokenKey = TokenSigningKey(key: P256.Signing.PrivateKey())
    let records: MemoryRecords
    let server: AuthorizationServer
    let time = Clock()

    final class Clock: Sendable {
        private let now = Mutex(Bench.start)
        var value: Date { now.withLock { $0 } }
        func advance(_ seconds: Double) { now.withLock { $0 += seconds } }
    }

    init(
        unbound: Bool = false, firstUse: Bool = false, lifetime: Duration = .seconds(300),
    ) throws {
        let domain = try TrustDomain("td")
        let ids = try ["weather-agent", "reader", "weather-mcp-server", "news-server"].map(Self.id)
        records = MemoryRecords(
            protected: [
                try Self.resource(
                    "weather", Self.weather, "weather-mcp-server", ["weather:read", "weather:write"], ["weather-agent"]),
                try Self.resource("news", Self.news, "news-server", ["news:read"], ["weather-agent", "reader"]),
            ],
            active: Set(ids),
            trusted: BundleSet([
                TrustBundle(trustDomain: domain, x509Authorities: [], jwtAuthorities: ["k": svidKey.publicKey]),
                TrustBundle(
                    trustDomain: try TrustDomain("other"), x509Authorities: [],
                    jwtAuthorities: ["k": foreignKey.publicKey]),
            ]))
        server = AuthorizationServer(
            configuration: .init(
                issuer: Self.issuer, trustDomain: domain, accessTokenLifetime: lifetime, allowsUnboundTokens: unbound,
                registersOnFirstUse: firstUse),
            keys: tokenKey, store: records, directory: records, journal: records, admission: records,
            now: { [time] in time.value })
    }

    static func id(_ name: String) throws -> SPIFFEID {
        try SPIFFEID(name.contains("://") ? name : "spiffe://td/" + name)
    }

    private static func resource(
        _ name: String, _ url: String, _ server: String, _ scopes: [String], _ allowed: [String],
    ) throws -> ProtectedResource {
        ProtectedResource(
            name: name, resource: try #require(ResourceURL(url)), servedBy: try SPIFFEPath(server), scopes: scopes,
            allowed: try allowed.map { try SPIFFEIDPattern("spiffe://td/" + $0) })
    }

    /// A verified client certificate; the same workload and `generation` have the same one.
    ///
    /// - Parameter age: seconds since it was issued.
    func certificate(
        _ name: String, generation: Int = 1, life: Double = 120, age: Double = 0,
    ) throws -> CertificateIdentity {
        CertificateIdentity(
            spiffeID: try Self.id(name), thumbprint: CertificateThumbprint(der: Data("\(name)#\(generation)".utf8)),
            serialNumber: "0\(generation)", notAfter: Self.start + life,
            issuedAt: IssueTime(time.value - age))
    }

    /// The claims of a good client assertion, changed as the test wants; nil takes a claim away.
    func assertion(
        _ name: String = "weather-agent", type: String = "JWT", changes: [String: JSONValue?] = [:],
        key: P256.Signing.PrivateKey? = nil,
    ) throws -> String {
        let now = Int64(time.value.timeIntervalSince1970)
        var claims: [String: JSONValue] = [
            "sub": .string(try Self.id(name).description), "aud": .string(Self.issuer), "exp": .integer(now + 60),
            "iat": .integer(now), "iss": "spiffe://td",
        ]
        for (claim, value) in changes { claims[claim] = value }
        return try JWS.sign(claims, type: type, keyID: "k", with: key ?? svidKey)
    }

    func post(
        _ path: String, _ fields: [(String, String)], client: CertificateIdentity? = nil, authorization: String? = nil,
    ) async throws -> Answer {
        let allowed = CharacterSet.alphanumerics
        let body = fields.map { name, value in
            "\(name)=\(value.addingPercentEncoding(withAllowedCharacters: allowed) ?? "")"
        }.joined(separator: "&")
        return try await send(
            .init(
                method: "POST", path: path, contentType: "application/x-www-form-urlencoded",
                authorization: authorization,
                body: Data(body.utf8), client: client))
    }

    func register(
        _ body: String, client: CertificateIdentity? = nil, authorization: String? = nil,
    ) async throws -> Answer {
        try await send(
            .init(
                method: "POST", path: "/register", contentType: "application/json", authorization: authorization,
                body: Data(body.utf8), client: client))
    }

    func send(_ request: OAuthRequest) async throws -> Answer { try Answer(await server.handle(request)) }

    /// A registered client's token by `spiffe_x509`.
    func token(_ name: String = "weather-agent", for resource: String = weather) async throws -> String {
        let certificate = try certificate(name)
        _ = try await register("{}", client: certificate)
        let answer = try await requestToken([("resource", resource)], client: certificate)
        return try #require(answer["access_token"]?.string)
    }

    /// client_credentials with the certificate's own client_id.
    func requestToken(_ fields: [(String, String)], client: CertificateIdentity) async throws -> Answer {
        let common = [("grant_type", "client_credentials"), ("client_id", client.spiffeID.description)]
        return try await post("/token", common + fields, client: client)
    }

    func introspect(_ token: String, as server: String) async throws -> Answer {
        try await post("/introspect", [("token", token)], client: certificate(server))
    }
}

/// A response, read.
struct Answer {
    let status: Int
    let members: [String: JSONValue]
    let headers: [String: String]

    init(_ response: OAuthResponse) throws {
        status = response.status
        headers = Dictionary(response.headers, uniquingKeysWith: { first, _ in first })
        members = try JSONValue(parsing: response.body).object ?? [:]
    }

    subscript(name: String) -> JSONValue? { members[name] }

    /// Status and `error`, as in `401 invalid_client`.
    var outcome: String { "\(status) \(members["error"]?.string ?? "ok")" }
}
