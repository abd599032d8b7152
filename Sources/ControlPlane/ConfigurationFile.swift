package import ControlPlaneAPI
import Foundation
import SPIFFE
import Yams

/// The YAML file of `tidemark-server`, where every key is optional, overlaid by flags.
package struct ConfigurationFile: Sendable, Equatable {
    package var trustDomain: String?
    package var dataDirectory: String?
    package var listen: String?
    package var hostNames: [String]?
    package var socket: String?
    package var socketGroup: String?
    package var svidLifetime: String?
    package var agentSVIDLifetime: String?
    package var log: LogSettings?

    package init() {}

    package static func read(_ path: String) throws(ConfigurationError) -> ConfigurationFile {
        do {
            return try decode(String(contentsOf: URL(filePath: path), encoding: .utf8))
        } catch let error as DecodingError {
            throw .unreadable(file: path, reason: error.place)
        } catch {
            throw .unreadable(file: path, reason: "\(error)")
        }
    }

    package static func decode(_ yaml: String) throws -> ConfigurationFile {
        guard try Yams.compose(yaml: yaml) != nil else { return ConfigurationFile() }
        return try YAMLDecoder().decode(ConfigurationFile.self, from: yaml)
    }

    /// Values of `flags` win over those of the file.
    package func overlaid(by flags: ConfigurationFile) -> ConfigurationFile {
        var merged = self
        merged.trustDomain = flags.trustDomain ?? trustDomain
        merged.dataDirectory = flags.dataDirectory ?? dataDirectory
        merged.listen = flags.listen ?? listen
        merged.hostNames = flags.hostNames ?? hostNames
        merged.socket = flags.socket ?? socket
        merged.socketGroup = flags.socketGroup ?? socketGroup
        merged.svidLifetime = flags.svidLifetime ?? svidLifetime
        merged.agentSVIDLifetime = flags.agentSVIDLifetime ?? agentSVIDLifetime
        merged.log = flags.log ?? log
        return merged
    }

    package func configuration() throws(ConfigurationError) -> ServerConfiguration {
        guard let trustDomain else { throw .missing(key: "trustDomain", flag: "--trust-domain") }
        let domain: TrustDomain
        do { domain = try TrustDomain(trustDomain) } catch {
            throw .value(key: "trustDomain", found: trustDomain, expected: "\(error)")
        }
        let directory = dataDirectory ?? "/var/lib/tidemark-server"
        return try ServerConfiguration(
            trustDomain: domain,
            dataDirectory: URL(filePath: directory, directoryHint: .isDirectory),
            listen: try listen.map(SocketAddressText.init) ?? .standard,
            hostNames: hostNames ?? ["localhost", "127.0.0.1", "::1"],
            socket: socket ?? "/run/tidemark-server/operator.sock",
            socketGroup: socketGroup,
            svidLifetime: try Self.duration(svidLifetime ?? "1h", key: "svidLifetime"),
            agentSVIDLifetime: try Self.duration(agentSVIDLifetime ?? "24h", key: "agentSVIDLifetime"),
        )
    }

    /// `90s`, `2m`, `24h`.
    static func duration(_ text: String, key: String) throws(ConfigurationError) -> Duration {
        let seconds: [Character: Int64] = ["s": 1, "m": 60, "h": 3600]
        guard let unit = text.last.flatMap({ seconds[$0] }), let count = Int64(text.dropLast()),
            (0...1_000_000).contains(count)
        else { throw .value(key: key, found: text, expected: "a duration such as 90s, 2m or 24h") }
        return .seconds(count * unit)
    }
}

extension ConfigurationFile: Decodable {
    private enum CodingKeys: String, CodingKey, CaseIterable {
        case trustDomain, dataDirectory, listen, hostNames, socket, socketGroup, svidLifetime, agentSVIDLifetime, log
    }

    package init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: CodingKeys.self)
        let keys = try decoder.container(keyedBy: CodingKeys.self)
        self.init()
        trustDomain = try keys.decodeIfPresent(String.self, forKey: .trustDomain)
        dataDirectory = try keys.decodeIfPresent(String.self, forKey: .dataDirectory)
        listen = try keys.decodeIfPresent(String.self, forKey: .listen)
        hostNames = try keys.decodeIfPresent([String].self, forKey: .hostNames)
        socket = try keys.decodeIfPresent(String.self, forKey: .socket)
        socketGroup = try keys.decodeIfPresent(String.self, forKey: .socketGroup)
        svidLifetime = try keys.decodeIfPresent(String.self, forKey: .svidLifetime)
        agentSVIDLifetime = try keys.decodeIfPresent(String.self, forKey: .agentSVIDLifetime)
        log = try keys.decodeIfPresent(LogSettings.self, forKey: .log)
    }
}
