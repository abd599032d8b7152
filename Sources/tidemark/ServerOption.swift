import ArgumentParser
import ControlPlaneAPI
import Foundation
import Logging

/// How to reach the control plane.
struct ServerOption: ParsableArguments {
    static let standard = "/run/tidemark-server/operator.sock"

    @Option(help: "tidemark-server's Unix socket. Else $TIDEMARK_SERVER_SOCKET, else \(standard).")
    var serverSocket: String?

    var path: String {
        serverSocket ?? ProcessInfo.processInfo.environment["TIDEMARK_SERVER_SOCKET"] ?? Self.standard
    }

    /// Opens a client for the time of `body`.
    func withClient<Result>(
        _ body: (OperatorClient) async throws(ControlPlaneError) -> Result,
    ) async throws(Failure) -> Result {
        let client = OperatorClient(socket: path, logger: .silent)
        do {
            let result = try await body(client)
            await client.shutdown()
            return result
        } catch {
            await client.shutdown()
            throw Failure(error, hint: SocketHint.text(path, program: "tidemark-server", flag: "--server-socket"))
        }
    }
}

/// How to reach this host's agent.
struct AgentOption: ParsableArguments {
    static let standard = "/run/tidemark/agent.sock"

    @Option(help: "tidemarkd's Unix socket. Else $TIDEMARK_AGENT_SOCKET, else \(standard).")
    var agentSocket: String?

    var path: String {
        agentSocket ?? ProcessInfo.processInfo.environment["TIDEMARK_AGENT_SOCKET"] ?? Self.standard
    }

    func withClient<Result>(
        _ body: (LocalAgentClient) async throws(ControlPlaneError) -> Result,
    ) async throws(Failure) -> Result {
        let client = LocalAgentClient(socket: path, logger: .silent)
        do {
            let result = try await body(client)
            await client.shutdown()
            return result
        } catch {
            await client.shutdown()
            throw Failure(error, hint: SocketHint.text(path, program: "tidemarkd", flag: "--agent-socket"))
        }
    }
}

enum SocketHint {
    static func text(_ path: String, program: String, flag: String) -> String {
        guard FileManager.default.fileExists(atPath: path) else {
            return "there is no such socket: start \(program) on this host, or name its socket with \(flag)"
        }
        guard FileManager.default.isWritableFile(atPath: path) else {
            return "this user may not open it: run as root"
        }
        return "is \(program) still running? Its log says more"
    }
}

extension Logger {
    /// The client's own log is of no use to an operator; errors carry what there is to say.
    static var silent: Logger { Logger(label: "tidemark", factory: { _ in SwiftLogNoOpLogHandler() }) }
}
