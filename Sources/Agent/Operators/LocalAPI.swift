package import ControlPlaneAPI
import Foundation
import Hummingbird
import Kernel
import Limits
package import Logging

/// What `tidemark explain`, `top` and `status --agent` talk to: HTTP on a Unix socket that root alone may open.
package struct LocalAPI: Sendable {
    private let socket: String
    private let explainer: Explainer
    private let connections: ConnectionFinder
    private let drafts: DraftTrial
    private let activity: WorkloadActivity
    private let status: @Sendable () async -> AgentSelfStatus
    private let logger: Logger

    package init(
        socket: String, explainer: Explainer, connections: ConnectionFinder, drafts: DraftTrial,
        activity: WorkloadActivity, status: @escaping @Sendable () async -> AgentSelfStatus, logger: Logger,
    ) {
        self.socket = socket
        self.explainer = explainer
        self.connections = connections
        self.drafts = drafts
        self.activity = activity
        self.status = status
        self.logger = logger
    }

    package func run() async throws {
        try prepare()
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

    private var router: Router<BasicRequestContext> {
        let router = Router()
        router.get("/v1/explain") { request, _ in
            try await Self.answer { () async throws(Problem) in
                try await explainer.explain(pid: try Self.pid(of: request))
            }
        }
        router.post("/v1/explain") { request, _ in
            try await Self.answer { () async throws(Problem) in
                try await explainer.explain(try await Self.body(of: request) as ExecQuestion)
            }
        }
        router.get("/v1/connection") { request, _ in
            try await Self.answer { () async throws(Problem) in
                try await connections.find(
                    try Self.endpoint("source", of: request), try Self.endpoint("destination", of: request))
            }
        }
        router.post("/v1/draft") { request, _ in
            try await Self.answer { () async throws(Problem) in try await drafts.run(try await Self.body(of: request)) }
        }
        router.get("/v1/top") { _, _ in try Self.json(activity.report(), status: .ok) }
        router.get("/v1/status") { _, _ in try Self.json(await status(), status: .ok) }
        router.get("/v1/metrics") { _, _ in
            let page = MetricsPage(await status(), activity.report())
            return Response(
                status: .ok, headers: [.contentType: MetricsPage.contentType],
                body: .init(byteBuffer: .init(string: page.text)),
            )
        }
        return router
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
            throw Problem(.pidInvalid, message: "give the process as ?pid=N, N above 0")
        }
        return pid
    }

    private static func endpoint(_ name: String, of request: Request) throws(Problem) -> InternetEndpoint {
        let text = request.uri.queryParameters[Substring(name)].map(String.init) ?? ""
        guard let endpoint = InternetEndpoint(parsing: text) else {
            throw Problem(
                .endpointInvalid,
                message: "\(name): expected address:port or [v6-address]:port, found \"\(text)\"")
        }
        return endpoint
    }

    private static func body<Question: Decodable>(of request: Request) async throws(Problem) -> Question {
        do {
            let bytes = try await request.body.collect(upTo: Limits.Calls.answerBytes)
            return try WireCoding.decoder().decode(Question.self, from: Data(bytes.readableBytesView))
        } catch {
            throw Problem(
                .bodyInvalid,
                message: "the question cannot be read: \(error); are tidemark and tidemarkd of the same version?")
        }
    }

    private static func answer<Value: Encodable>(_ body: () async throws(Problem) -> Value) async throws -> Response {
        let value: Value
        do throws(Problem) { value = try await body() } catch {
            return try json(error, status: error.status)
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
