package import ControlPlaneAPI
import Foundation
import SPIFFE
import Workloads
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
    /// Address ranges, by agent group.
    package var endpointRanges: [String: [String]]?
    package var audit: AuditSettings.Text?
    package var connections: ConnectionSettings?
    package var managedNetworks: [String]?
    package var log: LogSettings?

    package init() {}

    /// - Throws: ``ConfigurationError/unreadable(file:reason:)``, also for keys that nobody reads.
    package static func read(_ path: String) throws(ConfigurationError) -> ConfigurationFile {
        do {
            return try decode(String(contentsOf: URL(filePath: path), encoding: .utf8))
        } catch let error as DecodingError {
            throw .unreadable(file: path, reason: error.place)
        } catch {
            throw .unreadable(file: path, reason: "\(error)")
        }
    }

    /// - Parameter yaml: one document; an empty one is a file without keys.
    /// - Throws: `DecodingError` with the place.
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
        merged.endpointRanges = flags.endpointRanges ?? endpointRanges
        merged.audit = flags.audit ?? audit
        merged.connections = flags.connections ?? connections
        merged.managedNetworks = flags.managedNetworks ?? managedNetworks
        merged.log = flags.log ?? log
        return merged
    }

    /// With defaults for what neither file nor flags say.
    ///
    /// - Throws: ``ConfigurationError`` that names the key and what it expects.
    package func configuration() throws(ConfigurationError) -> ServerConfiguration {
        guard let trustDomain else { throw .missing(key: "trustDomain", flag: "--trust-domain") }
        let domain: TrustDomain
        do { domain = try TrustDomain(trustDomain) } catch {
            throw .value(key: "trustDomain", found: trustDomain, expected: "\(error)")
        }
        let directory = dataDirectory ?? "/var/lib/tidemark-server"
        var configuration = try ServerConfiguration(
            trustDomain: domain,
            dataDirectory: URL(filePath: directory, directoryHint: .isDirectory),
            listen: try listen.map(SocketAddressText.init) ?? .standard,
            hostNames: hostNames ?? ["localhost", "127.0.0.1", "::1"],
            socket: socket ?? "/run/tidemark-server/operator.sock",
            socketGroup: socketGroup,
            svidLifetime: try Self.duration(svidLifetime ?? "1h", key: "svidLifetime"),
            agentSVIDLifetime: try Self.duration(agentSVIDLifetime ?? "24h", key: "agentSVIDLifetime"),
            endpointRules: try Self.rules(endpointRanges ?? [:]),
            audit: try audit.map(AuditSettings.init) ?? AuditSettings(),
            managedNetworks: try Self.managedNetworks(managedNetworks ?? []),
        )
        try connections?.apply(to: &configuration)
        return configuration
    }

    /// Ranges, and with `!` before them those in them that are excepted.
    static func managedNetworks(_ texts: [String]) throws(ConfigurationError) -> ManagedNetworks {
        var networks = ManagedNetworks()
        for text in texts {
            do throws(ManagedNetworksError) { try networks.add(text) } catch {
                throw .value(key: "managedNetworks", found: text, expected: error.description)
            }
        }
        if let stray = networks.exceptions.first(where: { networks.range(around: $0) == nil }) {
            throw .value(
                key: "managedNetworks", found: "!\(stray)", expected: "an exception inside one of the ranges")
        }
        return networks
    }

    static func rules(_ texts: [String: [String]]) throws(ConfigurationError) -> EndpointRules {
        var ranges: [String: [AddressRange]] = [:]
        for (group, texts) in texts {
            guard !texts.isEmpty else {
                throw .value(key: "endpointRanges.\(group)", found: "[]", expected: "at least one address range")
            }
            for text in texts {
                do throws(AddressRangeError) { ranges[group, default: []].append(try AddressRange(text)) } catch {
                    throw .value(key: "endpointRanges.\(group)", found: text, expected: "\(error)")
                }
            }
        }
        return EndpointRules(ranges: ranges)
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
        case trustDomain, dataDirectory, listen, hostNames, socket, socketGroup, svidLifetime, agentSVIDLifetime
        case connections, log
        case managedNetworks, endpointRanges, audit
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
        endpointRanges = try keys.decodeIfPresent([String: [String]].self, forKey: .endpointRanges)
        audit = try keys.decodeIfPresent(AuditSettings.Text.self, forKey: .audit)
        connections = try keys.decodeIfPresent(ConnectionSettings.self, forKey: .connections)
        managedNetworks = try keys.decodeIfPresent([String].self, forKey: .managedNetworks)
        log = try keys.decodeIfPresent(LogSettings.self, forKey: .log)
    }
}
