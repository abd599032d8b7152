import Foundation
import Glibc

/// An absolute http or https URL without user, query and fragment, kept exactly as written (RFC 8707, section 2). Its path
/// is a ``NormalPath``, like those it is compared with.
package struct ResourceURL: Hashable, Sendable, Codable, CustomStringConvertible {
    package let text: String
    package let host: String
    package let port: UInt16
    /// Starts with `/`, without a trailing one unless it is the root.
    package let path: String

    /// - Returns: nil where the text is anything else.
    package init?(_ text: String) {
        try? self.init(checking: text)
    }

    /// - Throws: what is wrong with the path; with an empty reason, that the text is no such URL at all.
    package init(checking text: String) throws(NormalPath.Objection) {
        guard let parts = URLComponents(string: text), let host = parts.host, !host.isEmpty,
            parts.user == nil, parts.password == nil, parts.query == nil, parts.fragment == nil,
            let standardPort = ["http": 80, "https": 443][parts.scheme],
            let port = UInt16(exactly: parts.port ?? standardPort), port > 0
        else { throw NormalPath.Objection(reason: "") }
        self.text = text
        self.host = host
        self.port = port
        // As written: URLComponents escapes what should have been.
        let path = try NormalPath(Self.path(of: text)).text
        self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    }

    /// Whether a request path is this resource or below it, segment by segment.
    package func covers(path requested: some StringProtocol) -> Bool {
        path == "/" || requested == path || requested.hasPrefix(path + "/")
    }

    /// Whether its host is an IP address, and this one, however either is written.
    package func isAt(address: String) -> Bool {
        guard let here = self.address else { return false }
        return here == Self.bytes(ofAddress: address)
    }

    /// Of a host that is an IP address, in network order; 4 bytes also of an IPv4-mapped one.
    package var address: [UInt8]? { Self.bytes(ofAddress: host.filter { $0 != "[" && $0 != "]" }) }

    package var description: String { text }

    private static func path(of text: String) -> String {
        guard let scheme = text.range(of: "://") else { return "" }
        let path = text[scheme.upperBound...].drop { $0 != "/" }
        return path.isEmpty ? "/" : String(path)
    }

    /// An IPv4-mapped address is that IPv4 address.
    private static func bytes(ofAddress text: String) -> [UInt8]? {
        var four = [UInt8](repeating: 0, count: 4)
        if inet_pton(AF_INET, text, &four) == 1 { return four }
        var six = [UInt8](repeating: 0, count: 16)
        guard inet_pton(AF_INET6, text, &six) == 1 else { return nil }
        let isMapped = six[..<10].allSatisfy { $0 == 0 } && six[10] == 0xff && six[11] == 0xff
        return isMapped ? Array(six[12...]) : six
    }

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
