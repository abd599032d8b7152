/// A workload's name, such as `spiffe://prod.example/weather-agent`.
///
/// Always has a path: an ID without one names a trust domain, see ``TrustDomain``.
/// SPIFFE ID standard, section 2.
package struct SPIFFEID: Hashable, Sendable, CustomStringConvertible {
    package let trustDomain: TrustDomain
    /// Starts with `/`, never ends with one; segments of `a-z A-Z 0-9 . - _`.
    package let path: String

    /// The longest ID every implementation has to support, section 2.3.
    package static let maximumBytes = 2048

    /// - Parameter uri: `spiffe://<trust domain>/<path>`, at most 2048 bytes.
    package init(_ uri: String) throws(SPIFFEIDError) {
        let scheme = "spiffe://"
        guard uri.hasPrefix(scheme) else { throw .scheme(uri) }
        let rest = uri.dropFirst(scheme.count)
        guard let slash = rest.firstIndex(of: "/") else {
            _ = try TrustDomain(String(rest))
            throw .pathMissing(uri)
        }
        try self.init(trustDomain: TrustDomain(String(rest[..<slash])), path: String(rest[slash...]))
    }

    /// - Parameter path: begins with `/`.
    package init(trustDomain: TrustDomain, path: String) throws(SPIFFEIDError) {
        let bytes = trustDomain.uri.utf8.count + path.utf8.count
        guard bytes <= Self.maximumBytes else { throw .tooLong(bytes: bytes) }
        guard path.hasPrefix("/"), path.utf8.count > 1 else { throw .pathMissing(trustDomain.uri + path) }
        for segment in path.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
            try Self.check(segment, in: path)
        }
        self.trustDomain = trustDomain
        self.path = path
    }

    package var description: String { trustDomain.uri + path }

    private static func check(_ segment: Substring, in path: String) throws(SPIFFEIDError) {
        guard !segment.isEmpty else { throw .emptySegment(in: path) }
        guard segment != ".", segment != ".." else { throw .dotSegment(in: path) }
        for scalar in segment.unicodeScalars {
            switch scalar {
            case "a"..."z", "A"..."Z", "0"..."9", ".", "-", "_": continue
            default: throw .pathCharacter(scalar, in: path)
            }
        }
    }
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
