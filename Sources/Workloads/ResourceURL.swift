import Foundation

/// An absolute http or https URL without user, query and fragment, kept exactly as written (RFC 8707, section 2).
package struct ResourceURL: Hashable, Sendable, Codable, CustomStringConvertible {
    package let text: String
    package let host: String
    package let port: UInt16
    /// Starts with `/`, without a trailing one unless it is the root.
    package let path: String

    /// - Returns: nil where the text is anything else.
    package init?(_ text: String) {
        guard let parts = URLComponents(string: text), let host = parts.host, !host.isEmpty,
            parts.user == nil, parts.password == nil, parts.query == nil, parts.fragment == nil,
            let standardPort = ["http": 80, "https": 443][parts.scheme],
            let port = UInt16(exactly: parts.port ?? standardPort), port > 0
        else { return nil }
        self.text = text
        self.host = host
        self.port = port
        let path = parts.percentEncodedPath
        self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : (path.isEmpty ? "/" : path)
    }

    /// Whether a request path is this resource or below it, segment by segment.
    package func covers(path requested: some StringProtocol) -> Bool {
        path == "/" || requested == path || requested.hasPrefix(path + "/")
    }

    package var description: String { text }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let url = ResourceURL(text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "\"\(text)\" is no absolute http(s) URL")
        }
        self = url
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}
