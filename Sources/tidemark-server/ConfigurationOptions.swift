public import ArgumentParser
import ControlPlane
import ControlPlaneAPI
import Foundation
public import Logging

/// The configuration file and the flags that win over it.
struct ConfigurationOptions: ParsableArguments {
    static let standardFile = "/etc/tidemark/server.yaml"

    @Option(help: "Configuration file (YAML). Default: \(standardFile), if it exists.")
    var config: String?
    @Option(help: "Trust domain, such as prod.example.")
    var trustDomain: String?
    @Option(name: [.customLong("data"), .customLong("data-directory")], help: "Folder for keys and database.")
    var dataDirectory: String?
    @Option(help: "Address of the HTTPS listener, such as 0.0.0.0:8443 or [::]:8443.")
    var listen: String?
    @Option(
        name: .customLong("host-name"),
        help: "DNS name or IP address agents use; give it once for each. The first one names the OAuth issuer.")
    var hostNames: [String] = []
    @Option(help: "The operator's Unix socket.")
    var socket: String?
    @Option(help: "Group whose members may use that socket too.")
    var socketGroup: String?
    @Option(help: "How long a workload's X.509-SVID lives, such as 1h.")
    var svidLifetime: String?
    @Option(name: .customLong("agent-svid-lifetime"), help: "How long an agent's own SVID lives, such as 24h.")
    var agentSVIDLifetime: String?
    @Option(help: "trace, debug, info, notice, warning, error or critical.")
    var logLevel: Logger.Level?
    @Option(help: "text or json.")
    var logFormat: LogSettings.Format?

    func file() throws -> ConfigurationFile {
        try usable {
            let isThere = FileManager.default.fileExists(atPath: Self.standardFile)
            let path = config ?? (isThere ? Self.standardFile : nil)
            let read = try path.map(ConfigurationFile.read) ?? ConfigurationFile()
            return read.overlaid(by: flags(over: read))
        }
    }

    func configuration(_ file: ConfigurationFile) throws -> ServerConfiguration {
        try usable { try file.configuration() }
    }

    private func flags(over file: ConfigurationFile) -> ConfigurationFile {
        var flags = ConfigurationFile()
        flags.trustDomain = trustDomain
        flags.dataDirectory = dataDirectory
        flags.listen = listen
        flags.hostNames = hostNames.isEmpty ? nil : hostNames
        flags.socket = socket
        flags.socketGroup = socketGroup
        flags.svidLifetime = svidLifetime
        flags.agentSVIDLifetime = agentSVIDLifetime
        var log = file.log ?? LogSettings()
        if let logLevel { log.level = logLevel }
        if let logFormat { log.format = logFormat }
        flags.log = log
        return flags
    }

    private func usable<Value>(_ work: () throws -> Value) throws -> Value {
        do { return try work() } catch {
            StandardStream.error.tell("tidemark-server: \(error)")
            throw ExitCode(78)
        }
    }
}

enum ExitCodes {
    static let text = """
        Every key of the configuration file has a flag here that wins over it.
        Exit codes: 0 stopped as told, 1 failed, 64 wrong usage, 78 configuration not usable.
        """
}

extension Logger.Level: @retroactive ExpressibleByArgument {}
extension LogSettings.Format: ExpressibleByArgument {}
