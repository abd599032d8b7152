/// A host name that a TLS client asks for, or `*.example.com`: every name of one label more.
package struct ServerNamePattern: Hashable, Sendable, CustomStringConvertible {
    /// Lower case.
    private let text: String

    /// nil where it is none.
    package init?(_ text: String) {
        let name = text.hasPrefix("*.") ? String(text.dropFirst(2)) : text
        guard Self.isHostName(name) else { return nil }
        self.text = text.lowercased()
    }

    /// - Parameter name: as a client sent it; upper and lower case are the same.
    package func matches(_ name: String) -> Bool {
        let name = name.lowercased()
        guard text.hasPrefix("*.") else { return name == text }
        guard let dot = name.firstIndex(of: "."), dot != name.startIndex else { return false }
        return name[dot...] == text.dropFirst()
    }

    package var description: String { text }

    /// Letters, digits and hyphens, at least two labels, the last one not of digits alone: an address is no name.
    private static func isHostName(_ name: String) -> Bool {
        let labels = name.split(separator: ".", omittingEmptySubsequences: false)
        guard name.utf8.count <= 253, labels.count > 1, let last = labels.last, !last.allSatisfy(\.isNumber) else {
            return false
        }
        return labels.allSatisfy { label in
            (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                && label.utf8.allSatisfy {
                    (0x30...0x39).contains($0) || (0x41...0x5a).contains($0) || (0x61...0x7a).contains($0) || $0 == 0x2d
                }
        }
    }
}

extension ServerNamePattern: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let pattern = ServerNamePattern(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "no host name")
        }
        self = pattern
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}
