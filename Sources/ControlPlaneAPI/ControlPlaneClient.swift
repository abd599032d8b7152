import AsyncHTTPClient
import Foundation
package import Logging
import NIOHTTP1
package import SPIFFE
import Synchronization

/// The control plane as an agent sees it, over TLS 1.3.
///
/// One client speaks as one identity: the agent's own, or, for the OAuth calls, one workload's.
/// ``shutdown()`` has to be called before the last reference goes.
package final class ControlPlaneClient: Sendable {
    package let address: String
    private let logger: Logger
    private let current: Mutex<LeasedConnections>

    /// - Parameters:
    ///   - address: `https://host:port`, without a path.
    ///   - identity: what to present; nil only before the first attestation.
    package init(
        address: String, trust: ControlPlaneTrust, identity: X509SVID?, logger: Logger,
    ) throws {
        self.address = address
        self.logger = logger
        current = Mutex(LeasedConnections(configuration: try .mutualTLS(trust: trust, identity: identity)))
    }

    /// Uses another SVID or bundle from the next request on; requests under way end on the old connections.
    package func present(_ identity: X509SVID?, trust: ControlPlaneTrust) async throws {
        let next = LeasedConnections(configuration: try .mutualTLS(trust: trust, identity: identity))
        await swap(to: next).retire()
    }

    /// No request may follow. Streams under way are the caller's to cancel.
    package func shutdown() async {
        await current.withLock { $0 }.retire()
    }

    private func swap(to next: LeasedConnections) -> LeasedConnections {
        current.withLock { current in
            let old = current
            current = next
            return old
        }
    }
}

extension ControlPlaneClient {
    package func attest(_ request: AttestRequest) async throws(ControlPlaneError) -> X509SVIDResponse {
        try await post("/v1/agents/attest", request)
    }

    package func renew(_ request: RenewRequest) async throws(ControlPlaneError) -> X509SVIDResponse {
        try await post("/v1/agents/self/renew", request)
    }

    package func x509SVID(_ request: X509SVIDRequest) async throws(ControlPlaneError) -> X509SVIDResponse {
        try await post("/v1/svids/x509", request)
    }

    package func jwtSVID(_ request: JWTSVIDRequest) async throws(ControlPlaneError) -> JWTSVIDResponse {
        try await post("/v1/svids/jwt", request)
    }

    package func acknowledge(_ acknowledgement: Acknowledgement) async throws(ControlPlaneError) {
        try await send(.POST, "/v1/agents/self/acknowledge", acknowledgement)
    }

    @discardableResult
    package func report(endpoints: EndpointReport) async throws(ControlPlaneError) -> EndpointReceipt {
        try await post("/v1/agents/self/endpoints", endpoints, method: .PUT)
    }

    @discardableResult
    package func report(audit: AuditReport) async throws(ControlPlaneError) -> AuditReceipt {
        try await post("/v1/agents/self/audit", audit)
    }

    /// Snapshots as they come: the current one at once, then one after each change.
    ///
    /// Fails when the stream breaks, and when not even a heartbeat came for 20 seconds.
    package func snapshots() -> AsyncThrowingStream<PolicySnapshot, any Error> {
        AsyncThrowingStream { continuation in
            let reader = Task {
                do {
                    try await self.leased { http throws(ControlPlaneError) in
                        try await SnapshotReader(address: self.address, http: http, logger: self.logger)
                            .read { continuation.yield($0) }
                    }
                    continuation.finish()
                } catch {
                    continuation.finish(throwing: error)
                }
            }
            continuation.onTermination = { _ in reader.cancel() }
        }
    }
}

// The authorization server on the same address. The caller's SVID is its credential: spiffe_x509.
extension ControlPlaneClient {
    /// Registers the presented SPIFFE ID as a client; doing it again changes nothing.
    ///
    /// - Parameter scope: space-separated.
    package func registerOAuthClient(scope: String?) async throws(ControlPlaneError) -> OAuthRegistration {
        struct Metadata: Encodable {
            var grant_types = ["client_credentials"]
            var token_endpoint_auth_method = "spiffe_x509"
            var scope: String?
        }
        return try await post("/oauth/register", Metadata(scope: scope))
    }

    /// An access token for one resource, bound to the presented SVID (RFC 8705, section 3).
    ///
    /// - Parameters:
    ///   - clientID: the SPIFFE ID of the presented SVID.
    ///   - resource: RFC 8707.
    package func token(
        clientID: SPIFFEID, resource: String, scope: String,
    ) async throws(ControlPlaneError) -> OAuthToken {
        try await form(
            "/oauth/token",
            [
                ("grant_type", "client_credentials"), ("client_id", clientID.description), ("resource", resource),
                ("scope", scope),
            ],
        )
    }

    /// - Parameter clientID: the SPIFFE ID of the presented SVID, which serves the token's resource.
    package func introspect(
        token: String, clientID: SPIFFEID,
    ) async throws(ControlPlaneError) -> OAuthIntrospection {
        try await form("/oauth/introspect", [("token", token), ("client_id", clientID.description)])
    }
}

extension ControlPlaneClient {
    private func post<Answer: Decodable & Sendable>(
        _ path: String, _ body: some Encodable, method: HTTPMethod = .POST,
    ) async throws(ControlPlaneError) -> Answer {
        let call = try json(method, path, body)
        return try await leased { http throws(ControlPlaneError) in
            try await call.send(over: http, logger: self.logger, expecting: Answer.self)
        }
    }

    private func send(_ method: HTTPMethod, _ path: String, _ body: some Encodable) async throws(ControlPlaneError) {
        let call = try json(method, path, body)
        try await leased { http throws(ControlPlaneError) in try await call.send(over: http, logger: self.logger) }
    }

    private func form<Answer: Decodable & Sendable>(
        _ path: String, _ fields: [(String, String)],
    ) async throws(ControlPlaneError) -> Answer {
        var call = HTTPCall(method: .POST, url: address + path, address: address)
        call.contentType = "application/x-www-form-urlencoded"
        call.body = FormEncoding.encode(fields)
        let ready = call
        return try await leased { http throws(ControlPlaneError) in
            try await ready.send(over: http, logger: self.logger, expecting: Answer.self)
        }
    }

    private func json(
        _ method: HTTPMethod, _ path: String, _ body: some Encodable,
    ) throws(ControlPlaneError) -> HTTPCall {
        do {
            let bytes = try WireCoding.encoder().encode(body)
            return HTTPCall(method: method, url: address + path, address: address, body: bytes)
        } catch {
            throw .unexpected(address: address, status: 0, reason: "the request cannot be encoded: \(error)")
        }
    }

    private func leased<Result: Sendable>(
        _ work: (HTTPClient) async throws(ControlPlaneError) -> Result,
    ) async throws(ControlPlaneError) -> Result {
        guard let connections = current.withLock({ $0.lend() ? $0 : nil }) else {
            throw .unreachable(address: address, reason: "this client was shut down")
        }
        do {
            let result = try await work(connections.http)
            await connections.giveBack()
            return result
        } catch {
            await connections.giveBack()
            throw error
        }
    }
}
