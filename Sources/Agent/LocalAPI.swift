package import ControlPlaneAPI
import Foundation
import Hummingbird
package import Logging

/// What `tidemark explain` and `tidemark status --agent` talk to: HTTP on a Unix socket that root alone may open.
package struct LocalAPI: Sendable {
    private let socket: String
    private let explainer: Explainer
    private let status: @Sendable () async -> AgentSelfStatus
    private let logger: Logger

    package init(
        socket: String, explainer: Explainer, status: @escaping @Sendable () async -> AgentSelfStatus, logger: Logger,
    ) {
        self.socket = socket
        self.explainer = explainer
        self.status = status
        self.logger = logger
    }

    package func run() async throws {
        try prepare()
        let router = Router()
        router.get("/v1/explain") { request, _ in
            try Self.answer { () throws(Problem) in try explainer.explain(pid: try Self.pid(of: request)) }
        }
        router.get("/v1/status") { _, _ in try Self.json(await status(), status: .ok) }
        var quiet = logger
        quiet.logLevel = .critical
        let application = Application(
            router: router,
            configuration: .init(address: .unixDomainSocket(path: socket), serverName: nil),
            onServerRunning: { [socket] _ in
                try? FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: socket)
            },
            logger: quiet,
        )
        try await application.run()
    }

    private func prepare() throws {
        let folder = (socket as NSString).deletingLastPathComponent
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755],
        )
        try? FileManager.default.removeItem(atPath: socket)
    }

    private static func pid(of request: Request) throws(Problem) -> Int32 {
        guard let text = request.uri.queryParameters["pid"], let pid = Int32(text), pid > 0 else {
            throw Problem(error: "pid_invalid", message: "give the process as ?pid=N, N above 0")
        }
        return pid
    }

    private static func answer<Value: Encodable>(_ body: () throws(Problem) -> Value) throws -> Response {
        let value: Value
        do throws(Problem) { value = try body() } catch {
            return try json(error, status: error.error == "process_unknown" ? .notFound : .badRequest)
        }
        return try json(value, status: .ok)
    }

    private static func json(_ value: some Encodable, status: HTTPResponse.Status) throws -> Response {
        let body = try WireCoding.encoder().encode(value)
        return Response(
            status: status, headers: [.contentType: "application/json"], body: .init(byteBuffer: .init(bytes: body)),
        )
    }
}
