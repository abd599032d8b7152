import ControlPlaneAPI
import Limits

/// `connections` of the configuration file: how many, and how long each may take. Every key is optional.
package struct ConnectionSettings: Sendable, Equatable {
    var maximum: Int?
    var handshake: String?
    var requestHead: String?
    var request: String?
    var idle: String?

    /// The server's own: a thousand connections less than it may open files.
    static let allowedMaximum = Limits.Slots.leastOfServer...Limits.Slots.mostOfServer

    func apply(to configuration: inout ServerConfiguration) throws(ConfigurationError) {
        if let maximum {
            guard Self.allowedMaximum.contains(maximum) else {
                throw .value(
                    key: "connections.maximum", found: "\(maximum)",
                    expected: "\(Self.allowedMaximum.lowerBound) to \(Self.allowedMaximum.upperBound)")
            }
            configuration.maximumConnections = maximum
        }
        try Self.set(handshake, "handshake", &configuration.deadlines.handshake)
        try Self.set(requestHead, "requestHead", &configuration.deadlines.requestHead)
        try Self.set(request, "request", &configuration.deadlines.request)
        try Self.set(idle, "idle", &configuration.deadlines.idle)
    }

    private static func set(_ text: String?, _ key: String, _ deadline: inout Duration) throws(ConfigurationError) {
        guard let text else { return }
        let wish = try ConfigurationFile.duration(text, key: "connections.\(key)")
        // An agent's batch of audit events on a slow line takes seconds.
        guard wish >= .seconds(1), wish <= Limits.Slots.longestDeadline else {
            throw .value(key: "connections.\(key)", found: text, expected: "1s to 1h")
        }
        deadline = wish
    }
}

extension ConnectionSettings: Decodable {
    private enum CodingKeys: String, CodingKey, CaseIterable {
        case maximum, handshake, requestHead, request, idle
    }

    package init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: CodingKeys.self)
        let keys = try decoder.container(keyedBy: CodingKeys.self)
        maximum = try keys.decodeIfPresent(Int.self, forKey: .maximum)
        handshake = try keys.decodeIfPresent(String.self, forKey: .handshake)
        requestHead = try keys.decodeIfPresent(String.self, forKey: .requestHead)
        request = try keys.decodeIfPresent(String.self, forKey: .request)
        idle = try keys.decodeIfPresent(String.self, forKey: .idle)
    }
}
