import AsyncHTTPClient
import Foundation
import Limits
package import Logging
import NIOCore
import NIOHTTP1

/// The agent of this host, over its Unix socket.
///
/// ``shutdown()`` has to be called before the last reference goes.
package final class LocalAgentClient: Sendable {
    package let socket: String
    private let http: HTTPClient
    private let logger: Logger

    /// A draft that asks for hashes has every file read that runs on the host.
    private static let patience = TimeAmount(Limits.Calls.agentAnswer)

    /// - Parameter socket: the path of the agent's socket, such as `/run/tidemark/agent.sock`.
    package init(socket: String, logger: Logger) {
        self.socket = socket
        self.logger = logger
        http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: .plain(readTimeout: Self.patience))
    }

    package func shutdown() async {
        try? await http.shutdown()
    }

    package func explain(pid: Int32) async throws(ControlPlaneError) -> Explanation {
        try await get("/v1/explain?pid=\(pid)")
    }

    package func status() async throws(ControlPlaneError) -> AgentSelfStatus {
        try await get("/v1/status")
    }

    /// What a command would be if it was executed.
    package func explain(_ question: ExecQuestion) async throws(ControlPlaneError) -> Explanation {
        try await post("/v1/explain", question)
    }

    /// - Parameters: `address:port` or `[v6]:port`, in either order.
    package func explainConnection(
        from source: String, to destination: String,
    ) async throws(ControlPlaneError) -> ConnectionExplanation {
        try await get("/v1/connection?source=\(Self.escaped(source))&destination=\(Self.escaped(destination))")
    }

    package func compare(_ draft: DraftQuestion) async throws(ControlPlaneError) -> DraftReport {
        try await post("/v1/draft", draft)
    }

    package func top() async throws(ControlPlaneError) -> TopReport {
        try await get("/v1/top")
    }

    private func get<Answer: Decodable>(_ path: String) async throws(ControlPlaneError) -> Answer {
        try await send(.GET, path)
    }

    private func post<Answer: Decodable>(
        _ path: String, _ body: some Encodable
    ) async throws(ControlPlaneError) -> Answer {
        let bytes: Data
        do { bytes = try WireCoding.encoder().encode(body) } catch {
            throw .unexpected(address: socket, status: 0, reason: "the question cannot be written as JSON: \(error)")
        }
        return try await send(.POST, path, body: bytes)
    }

    private func send<Answer: Decodable>(
        _ method: HTTPMethod, _ path: String, body: Data? = nil,
    ) async throws(ControlPlaneError) -> Answer {
        guard let url = URL(httpURLWithSocketPath: socket, uri: path) else {
            throw .unreachable(address: socket, reason: "this is no path of a socket")
        }
        let call = HTTPCall(
            method: method, url: url.absoluteString, address: socket, body: body, timeout: Self.patience)
        return try await call.send(over: http, logger: logger, expecting: Answer.self)
    }

    private static func escaped(_ text: String) -> String {
        text.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? text
    }
}
