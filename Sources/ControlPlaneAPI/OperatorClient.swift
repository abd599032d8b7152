import AsyncHTTPClient
import Foundation
import Limits
package import Logging
import NIOCore
import NIOHTTP1
package import SPIFFE

/// The control plane as an operator on its own host sees it: HTTP over its Unix socket.
///
/// The socket's file mode is the credential.
///
/// ``shutdown()`` has to be called before the last reference goes.
package final class OperatorClient: Sendable {
    package let socket: String
    private let http: HTTPClient
    private let logger: Logger

    /// The control plane holds an audit request open for at most this many seconds.
    package static let maximumWait = Int(Limits.Calls.nextRecord.components.seconds)

    /// - Parameter socket: the path of the control plane's socket, such as `/run/tidemark-server/operator.sock`.
    package init(socket: String, logger: Logger) {
        self.socket = socket
        self.logger = logger
        http = HTTPClient(
            eventLoopGroupProvider: .singleton,
            configuration: .plain(readTimeout: .init(Limits.Calls.nextRecord + Limits.Calls.nextRecordMargin)),
        )
    }

    package func shutdown() async {
        try? await http.shutdown()
    }

    /// Applies one file, all or nothing.
    package func apply(_ request: ApplyRequest) async throws(ControlPlaneError) -> ApplyResponse {
        try await send(.POST, "/v1/manifests", body: request)
    }

    /// - Parameters:
    ///   - kind: `WorkloadIdentity`, in any case; nil for all kinds.
    ///   - name: nil for all names.
    package func get(kind: String? = nil, name: String? = nil) async throws(ControlPlaneError) -> [StoredManifest] {
        try await send(.GET, "/v1/manifests", query: ["kind": kind, "name": name])
    }

    package func delete(kind: String, name: String) async throws(ControlPlaneError) -> DeleteResponse {
        try await send(.DELETE, "/v1/manifests/\(Self.escape(kind))/\(Self.escape(name))")
    }

    package func joinToken(_ request: JoinTokenRequest) async throws(ControlPlaneError) -> JoinTokenResponse {
        try await send(.POST, "/v1/join-tokens", body: request)
    }

    /// Its credential is worth nothing from now on; it may attest with a new join token.
    package func deleteAgent(group: String, name: String) async throws(ControlPlaneError) -> AgentChangeResponse {
        try await send(.DELETE, "/v1/agents/\(Self.escape(group))/\(Self.escape(name))")
    }

    /// The same, and no join token lets it in.
    package func banAgent(group: String, name: String) async throws(ControlPlaneError) -> AgentChangeResponse {
        try await send(.POST, "/v1/agents/\(Self.escape(group))/\(Self.escape(name))/ban")
    }

    package func unbanAgent(group: String, name: String) async throws(ControlPlaneError) -> AgentChangeResponse {
        try await send(.DELETE, "/v1/agents/\(Self.escape(group))/\(Self.escape(name))/ban")
    }

    package func status() async throws(ControlPlaneError) -> ControlPlaneStatus {
        try await send(.GET, "/v1/status")
    }

    /// Records with a sequence above `after`, oldest first.
    ///
    /// - Parameters:
    ///   - limit: at most 1000.
    ///   - spiffeID: only records whose details name it.
    ///   - wait: seconds to wait for a record where there is none yet, at most ``maximumWait``.
    package func audit(
        after: Int64 = 0, limit: Int = Limits.Calls.auditRecords, spiffeID: SPIFFEID? = nil, wait: Int = 0,
    ) async throws(ControlPlaneError) -> [AuditRecord] {
        try await send(
            .GET, "/v1/audit",
            query: ["after": "\(after)", "limit": "\(limit)", "spiffeID": spiffeID?.description, "wait": "\(wait)"],
        )
    }

    package func auditHead() async throws(ControlPlaneError) -> AuditHead {
        try await send(.GET, "/v1/audit/head")
    }

    /// - Parameter expected: `HEAD` or `HEAD:COUNT`, as it was told once.
    package func verifyAudit(expecting expected: String? = nil) async throws(ControlPlaneError) -> AuditVerification {
        try await send(.GET, "/v1/audit/verify", query: ["expect": expected], timeout: .init(Limits.Calls.verification))
    }
}

extension OperatorClient {
    private func send<Answer: Decodable>(
        _ method: HTTPMethod, _ path: String, query: [String: String?] = [:], body: (any Encodable)? = nil,
        timeout: TimeAmount = .init(Limits.Calls.operatorAnswer),
    ) async throws(ControlPlaneError) -> Answer {
        guard let url = URL(httpURLWithSocketPath: socket, uri: path + Self.queryString(query)) else {
            throw .unreachable(address: socket, reason: "this is no path of a socket")
        }
        var call = HTTPCall(method: method, url: url.absoluteString, address: socket, timeout: timeout)
        do {
            call.body = try body.map { try WireCoding.encoder().encode($0) }
        } catch {
            throw .unexpected(address: socket, status: 0, reason: "the request cannot be encoded: \(error)")
        }
        return try await call.send(over: http, logger: logger, expecting: Answer.self)
    }

    private static func queryString(_ query: [String: String?]) -> String {
        let pairs = query.compactMap { name, value in value.map { "\(name)=\(escape($0))" } }.sorted()
        return pairs.isEmpty ? "" : "?" + pairs.joined(separator: "&")
    }

    private static func escape(_ text: String) -> String {
        text.addingPercentEncoding(
            withAllowedCharacters: .alphanumerics.intersection(CharacterSet(charactersIn: "\u{21}"..."\u{7e}"))) ?? ""
    }
}
