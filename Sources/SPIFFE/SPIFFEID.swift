import Limits

/// A workload's name, such as `spiffe://prod.example/weather-agent`.
///
/// Always has a path: an ID without one names a trust domain, see ``TrustDomain``.
/// SPIFFE ID standard, section 2.
package struct SPIFFEID: Hashable, Sendable, CustomStringConvertible {
    package let trustDomain: TrustDomain
    package let path: SPIFFEPath

    /// The longest ID every implementation has to support, section 2.3.
    package static let maximumBytes = Limits.Formats.spiffeIDBytes

    /// - Parameter uri: `spiffe://<trust domain>/<path>`, at most 2048 bytes.
    package init(_ uri: String) throws(SPIFFEIDError) {
        let scheme = "spiffe://"
        guard uri.hasPrefix(scheme) else { throw .scheme(uri) }
        // Before anything of it is looked at.
        guard uri.utf8.count <= Self.maximumBytes else { throw .tooLong(bytes: uri.utf8.count) }
        let rest = uri.dropFirst(scheme.count)
        let end = rest.firstIndex(of: "/") ?? rest.endIndex
        let trustDomain = try TrustDomain(String(rest[..<end]))
        let path = rest[end...].dropFirst()
        guard !path.isEmpty else { throw .pathMissing(uri) }
        try self.init(trustDomain: trustDomain, path: SPIFFEPath(String(path)))
    }

    /// - Throws: where both together are too long, and only then.
    package init(trustDomain: TrustDomain, path: SPIFFEPath) throws(SPIFFEIDError) {
        let bytes = trustDomain.uri.utf8.count + 1 + path.text.utf8.count
        guard bytes <= Self.maximumBytes else { throw .tooLong(bytes: bytes) }
        self.trustDomain = trustDomain
        self.path = path
    }

    /// Whether it is the control plane's own or an agent's.
    package var isReserved: Bool { path.isWithin(.reserved) }

    package var isAgent: Bool { path.isWithin("tidemark/agent") && path != "tidemark/agent" }

    package var description: String { "\(trustDomain.uri)/\(path)" }
}

extension SPIFFEID: Codable {
    package init(from decoder: any Decoder) throws {
        try self.init(decoder.singleValueContainer().decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

extension SPIFFEID: Comparable {
    package static func < (left: SPIFFEID, right: SPIFFEID) -> Bool { left.description < right.description }
}
