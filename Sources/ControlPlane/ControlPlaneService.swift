import AuthorizationServer
import ControlPlaneAPI
import Foundation
import Hummingbird
import HummingbirdCore
import Limits
package import Logging
import NIOCore
import ServiceLifecycle

/// The control plane of one trust domain: its HTTPS listener, its operator socket, and what keeps them going.
package struct ControlPlaneService: Service {
    package let state: ControlPlaneState
    /// Of the HTTPS listener.
    package let port = ListenerPort()
    /// The same listener's.
    let door: ConnectionDoor
    private let certificate: ServerCertificate
    private let tokenKey: TokenSigningKey
    private let logger: Logger
    private let housekeeping: Duration

    /// Opens keys and records; listens only in ``run()``.
    package init(configuration: ServerConfiguration, logger: Logger) throws {
        try self.init(state: ControlPlaneState(configuration: configuration), logger: logger)
    }

    /// - Parameter housekeeping: between two times that what has ended is forgotten.
    package init(
        state: ControlPlaneState, logger: Logger, housekeeping: Duration = Limits.Audit.checkpointInterval,
    ) throws {
        self.state = state
        self.housekeeping = housekeeping
        self.logger = logger
        door = ConnectionDoor(
            capacity: state.configuration.maximumConnections, logger: logger, now: state.now)
        certificate = try ServerCertificate(state: state, logger: logger)
        tokenKey = try TokenSigningKey.open(
            directory: state.configuration.dataDirectory.appending(path: "token-keys", directoryHint: .isDirectory))
    }

    /// Serves until told to shut down, or until one part fails; then closes the store.
    package func run() async throws {
        let version = try await state.store.read { try state.registry.version(in: $0) }
        logger.info(
            "control plane of \(state.configuration.trustDomain)",
            metadata: ["version": "\(version)", "data": "\(state.configuration.dataDirectory.path)"])
        let group = ServiceGroup(
            configuration: .init(
                services: [
                    certificate, httpsListener(), try operatorListener(), state.hub, state.callers,
                    Housekeeping(desk: AgentDesk(state: state), logger: logger, interval: housekeeping),
                ].map { .init(service: $0) },
                logger: logger,
            ))
        try await group.run()
        try state.store.close()
    }

    private var issuer: @Sendable () -> String {
        { [port, configuration = state.configuration] in
            configuration.issuer(port: port.current ?? configuration.listen.port)
        }
    }

    private func httpsListener() -> any Service {
        let router = Router(context: ConnectionContext.self)
        router.add(middleware: ProblemMiddleware(now: state.now))
        AgentRoutes(desk: AgentDesk(state: state)).add(to: router)
        OAuthRoutes(state: state, records: OAuthRecords(state: state), key: tokenKey, issuer: issuer).add(to: router)
        let listen = state.configuration.listen
        return Application(
            router: router,
            server: HTTPServerBuilder { [certificate, door, deadlines = state.configuration.deadlines] responder in
                GuardedChannel(responder: responder, door: door, deadlines: deadlines, certificate: certificate)
            },
            configuration: ApplicationConfiguration(
                address: .hostname(listen.host, port: listen.port)),
            onServerRunning: { [port] channel in port.set(channel.localAddress?.port ?? listen.port) },
            logger: logger,
        )
    }

    private func operatorListener() throws -> any Service {
        let router = Router(context: ConnectionContext.self)
        router.add(middleware: ProblemMiddleware(now: state.now))
        OperatorRoutes(desk: OperatorDesk(state: state, issuer: issuer)).add(to: router)
        let socket = OperatorSocket(path: state.configuration.socket, group: state.configuration.socketGroup)
        try socket.prepare()
        let door = ConnectionDoor(capacity: Limits.Slots.operators, logger: logger, now: state.now)
        return Application(
            router: router,
            server: HTTPServerBuilder { [deadlines = state.configuration.deadlines] responder in
                GuardedChannel(responder: responder, door: door, deadlines: deadlines, certificate: nil)
            },
            configuration: ApplicationConfiguration(address: .unixDomainSocket(path: socket.path)),
            onServerRunning: { [logger] _ in
                do { try socket.open() } catch { logger.critical("\(socket.path) stays closed to its group: \(error)") }
            },
            logger: logger,
        )
    }
}
