package import Foundation
import Limits
package import SPIFFE
package import Workloads

/// What `tidemark-server run` is told; see docs/install.md for the file.
package struct ServerConfiguration: Sendable, Equatable {
    package var trustDomain: TrustDomain
    /// Holds the keys and the database; 0700.
    package var dataDirectory: URL
    /// Where the HTTPS listener binds.
    package var listen: SocketAddressText
    /// DNS names and IP addresses in the server's certificate; the first one names the OAuth issuer.
    package var hostNames: [String]
    /// The operator's Unix socket.
    package var socket: String
    /// A group whose members may use the socket too.
    package var socketGroup: String?
    package var svidLifetime: Duration
    package var agentSVIDLifetime: Duration
    package var endpointRules: EndpointRules
    package var audit: AuditSettings
    /// Connections at a time on the HTTPS listener.
    package var maximumConnections = Limits.Slots.controlPlane
    package var deadlines = ConnectionDeadlines()
    /// Into which no managed workload ever speaks plain.
    package var managedNetworks: ManagedNetworks

    package init(
        trustDomain: TrustDomain,
        dataDirectory: URL,
        listen: SocketAddressText = .standard,
        hostNames: [String] = ["localhost", "127.0.0.1", "::1"],
        socket: String = "/run/tidemark-server/operator.sock",
        socketGroup: String? = nil,
        svidLifetime: Duration = Limits.SVID.lifetime,
        agentSVIDLifetime: Duration = Limits.SVID.agentLifetime,
        endpointRules: EndpointRules = EndpointRules(),
        audit: AuditSettings = AuditSettings(),
        managedNetworks: ManagedNetworks = ManagedNetworks(),
    ) throws(ConfigurationError) {
        self.trustDomain = trustDomain
        self.dataDirectory = dataDirectory
        self.listen = listen
        self.hostNames = hostNames
        self.socket = socket
        self.socketGroup = socketGroup
        self.svidLifetime = svidLifetime
        self.agentSVIDLifetime = agentSVIDLifetime
        self.endpointRules = endpointRules
        self.audit = audit
        self.managedNetworks = managedNetworks
        try check()
    }

    /// The OAuth issuer: has a path on purpose, as clients write path-less ones in two ways.
    package func issuer(port: Int) -> String {
        let host = hostNames[0].contains(":") ? "[\(hostNames[0])]" : hostNames[0]
        return "https://\(host):\(port)/oauth"
    }

    private func check() throws(ConfigurationError) {
        guard !hostNames.isEmpty, hostNames.allSatisfy({ !$0.isEmpty }) else {
            throw .value(key: "hostNames", found: "\(hostNames)", expected: "at least one DNS name or IP address")
        }
        for (key, lifetime) in [("svidLifetime", svidLifetime), ("agentSVIDLifetime", agentSVIDLifetime)] {
            guard lifetime >= Limits.SVID.shortestLifetime, lifetime <= Limits.SVID.longestLifetime else {
                throw .value(key: key, found: "\(lifetime)", expected: "10s to 720h")
            }
        }
        guard socket.hasPrefix("/"), socket.utf8.count < 108 else {
            throw .value(key: "socket", found: socket, expected: "an absolute path of at most 107 bytes")
        }
    }
}

/// `address:port`, with IPv6 addresses in brackets.
package struct SocketAddressText: Sendable, Equatable, CustomStringConvertible {
    package let host: String
    /// 0: any free one.
    package let port: Int

    package static let standard = SocketAddressText(host: "0.0.0.0", port: 8443)

    private init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    package init(_ text: String) throws(ConfigurationError) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            throw .value(key: "listen", found: text, expected: "address:port, such as 0.0.0.0:8443 or [::]:8443")
        }
        let host = text[..<colon]
        let bracketed = host.hasPrefix("[") && host.hasSuffix("]")
        guard !host.isEmpty, bracketed || !host.contains(":") else {
            throw .value(key: "listen", found: text, expected: "an IPv6 address in brackets, such as [::]:8443")
        }
        self.init(host: bracketed ? String(host.dropFirst().dropLast()) : String(host), port: Int(port))
    }

    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// Why a configuration cannot be used.
package enum ConfigurationError: Error, Equatable, CustomStringConvertible {
    case unreadable(file: String, reason: String)
    case missing(key: String, flag: String)
    case value(key: String, found: String, expected: String)

    package var description: String {
        switch self {
        case .unreadable(let file, let reason): "\(file) cannot be read as configuration: \(reason)"
        case .missing(let key, let flag): "\(key) is not set; write it into the file or pass \(flag)"
        case .value(let key, let found, let expected): "\(key) is \"\(found)\"; expected \(expected)"
        }
    }
}
