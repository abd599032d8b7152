import Foundation
import SPIFFE
import Yams

/// The YAML file of `tidemark-server`, where every key is optional, overlaid by flags.
package struct ConfigurationFile: Sendable, Codable, Equatable {
    package var trustDomain: String?
    package var dataDirectory: String?
    package var listen: String?
    package var hostNames: [String]?
    package var socket: String?
    package var socketGroup: String?
    package var svidLifetime: String?
    package var agentSVIDLifetime: String?
    /// `trace` … `critical`.
    package var logLevel: String?
    /// `text` or `json`.
    package var logFormat: String?

    package init() {}

    enum CodingKeys: String, CodingKey, CaseIterable {
        case trustDomain, dataDirectory, listen, hostNames, socket, socketGroup, svidLifetime, agentSVIDLifetime
        case logLevel, logFormat
    }

    package static func read(_ path: String) throws(ConfigurationError) -> ConfigurationFile {
        do {
            return try decode(String(contentsOf: URL(filePath: path), encoding: .utf8))
        } catch let error as ConfigurationError {
            throw error
        } catch {
            throw .unreadable(file: path, reason: "\(error)")
        }
    }

    package static func decode(_ yaml: String) throws -> ConfigurationFile {
        let known = CodingKeys.allCases.map(\.rawValue)
        guard let root = try Yams.compose(yaml: yaml) else { return ConfigurationFile() }
        for key in root.mapping?.keys.compactMap(\.string) ?? [] where !known.contains(key) {
            throw ConfigurationError.unknownKey(key, known: known)
        }
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
        merged.logLevel = flags.logLevel ?? logLevel
        merged.logFormat = flags.logFormat ?? logFormat
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
        guard let unit = text.last.flatMap({ seconds[$0] }), let count = Int64(text.dropLast()), (0...1_000_000).contains(count)
        else { throw .value(key: key, found: text, expected: "a duration such as 90s, 2m or 24h") }
        return .seconds(count * unit)
    }
}
