import AsyncHTTPClient
import Foundation
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

    /// - Parameter socket: the path of the agent's socket, such as `/run/tidemark/agent.sock`.
    package init(socket: String, logger: Logger) {
        self.socket = socket
        self.logger = logger
        http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: .plain(readTimeout: .seconds(30)))
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

    private func get<Answer: Decodable>(_ path: String) async throws(ControlPlaneError) -> Answer {
        guard let url = URL(httpURLWithSocketPath: socket, uri: path) else {
            throw .unreachable(address: socket, reason: "this is no path of a socket")
        }
        let call = HTTPCall(method: .GET, url: url.absoluteString, address: socket)
        return try await call.send(over: http, logger: logger, expecting: Answer.self)
    }
}
