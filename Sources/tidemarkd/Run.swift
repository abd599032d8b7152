import Agent
import ArgumentParser
import ControlPlaneAPI
import Foundation
import Limits
import Logging
import ServiceLifecycle
import UnixSignals
import Yams

struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Attest, load the kernel part, and serve until told to stop.",
        discussion: """
            Needs root. Every key of the configuration file has a flag here that wins over it.
            Exit codes: 0 stopped as told, 1 failed, 64 wrong usage, 78 configuration not usable.
            """,
    )

    @Option(help: "Configuration file (YAML).")
    var config = "/etc/tidemark/agent.yaml"
    @Option(help: "The agent's name, a path segment of its SPIFFE ID.")
    var name: String?
    @Option(help: "The control plane, as https://host:port.")
    var controlPlane: String?
    @Option(help: "File with the one-time join token; removed once used.")
    var joinTokenFile: String?
    @Option(help: "Folder for the last policy snapshot.")
    var stateDirectory: String?
    @Option(help: "Unix socket of the local API.")
    var socket: String?
    @Option(help: "Cgroup (v2) whose processes are managed; default: the root, which is the whole host.")
    var cgroup: String?
    @Option(
        name: .customLong("network-folder"),
        help: "Folder of network namespaces to be served ahead of need; may be given several times.")
    var networkFolders: [String] = []
    @Option(help: "Folder inside a bpffs for pinned links and maps.")
    var pinDirectory: String?
    @Option(help: "Loopback port of the outbound proxy.")
    var outboundPort: UInt16?
    @Option(help: "trace, debug, info, notice, warning, error or critical.")
    var logLevel: String?
    @Option(help: "text or json.")
    var logFormat: String?

    func run() async throws {
        Heap.giveBack()
        // Nothing this program creates is anyone else's to read.
        umask(0o077)
        let configuration = try self.configuration()
        let logger = configuration.log.logger(label: "tidemarkd")
        let service = AgentService(configuration: configuration, logger: logger)
        var lifecycle = logger
        lifecycle.logLevel = .warning
        let group = ServiceGroup(
            configuration: .init(
                services: [.init(service: service)], gracefulShutdownSignals: [.sigterm, .sigint], logger: lifecycle,
            ),
        )
        do { try await group.run() } catch {
            logger.critical("\(error)")
            throw ExitCode(1)
        }
    }

    private func configuration() throws -> AgentConfiguration {
        do {
            let text = try String(contentsOfFile: config, encoding: .utf8)
            var configuration = try YAMLDecoder().decode(AgentConfiguration.self, from: text)
            try override(&configuration)
            return configuration
        } catch {
            StandardStream.error.tell("tidemarkd: \(config): \(Self.explain(error))")
            throw ExitCode(78)
        }
    }

    private func override(_ configuration: inout AgentConfiguration) throws {
        if let name { configuration.name = name }
        if let controlPlane { configuration.controlPlane.address = controlPlane }
        if let joinTokenFile { configuration.joinTokenFile = joinTokenFile }
        if let stateDirectory { configuration.stateDirectory = stateDirectory }
        if let socket { configuration.socket = socket }
        if let cgroup { configuration.cgroup = cgroup }
        if !networkFolders.isEmpty { configuration.networkFolders = networkFolders }
        if let pinDirectory { configuration.pinDirectory = pinDirectory }
        if let outboundPort { configuration.outboundPort = outboundPort }
        configuration.log = try configuration.log.overridden(level: logLevel, format: logFormat)
    }

    private static func explain(_ error: any Error) -> String {
        guard let error = error as? DecodingError else { return "\(error)" }
        switch error {
        case .keyNotFound(let key, let context): return "\(path(context.codingPath + [key])): missing"
        case .typeMismatch(let type, let context): return "\(path(context.codingPath)): expected \(type)"
        case .valueNotFound(let type, let context): return "\(path(context.codingPath)): expected \(type)"
        case .dataCorrupted(let context): return "\(path(context.codingPath)): \(context.debugDescription)"
        @unknown default: return "\(error)"
        }
    }

    private static func path(_ keys: [any CodingKey]) -> String {
        keys.isEmpty ? "file" : keys.map(\.stringValue).joined(separator: ".")
    }
}
