/// The path of a SPIFFE ID without its leading slash, as manifests write it: `agents/weather`.
///
/// Checked once, where it comes in. SPIFFE ID standard, section 2.2.
package struct SPIFFEPath: Hashable, Sendable {
    /// Segments of `a-z A-Z 0-9 . - _`, none empty, between slashes.
    package let text: String

    package init(_ text: String) throws(SPIFFEIDError) {
        for segment in text.split(separator: "/", omittingEmptySubsequences: false) {
            try Self.check(segment, in: text)
        }
        self.text = text
    }

    /// Whether the text can stand between two slashes.
    package static func isSegment(_ text: String) -> Bool {
        (try? check(text[...], in: text)) != nil
    }

    /// Whether it is this path or lies below it.
    package func isWithin(_ other: SPIFFEPath) -> Bool {
        self == other || text.utf8.starts(with: (other.text + "/").utf8)
    }

    /// Below it are the control plane and its agents; no manifest gives such a path.
    package static let reserved: SPIFFEPath = "tidemark"

    private static func check(_ segment: Substring, in path: String) throws(SPIFFEIDError) {
        guard !segment.isEmpty else { throw .emptySegment(in: "/" + path) }
        guard segment != ".", segment != ".." else { throw .dotSegment(in: "/" + path) }
        for scalar in segment.unicodeScalars {
            switch scalar {
            case "a"..."z", "A"..."Z", "0"..."9", ".", "-", "_": continue
            default: throw .pathCharacter(scalar, in: "/" + path)
            }
        }
    }
}

extension SPIFFEPath: CustomStringConvertible, Comparable {
    package var description: String { text }

    package static func < (left: SPIFFEPath, right: SPIFFEPath) -> Bool { left.text < right.text }
}

extension SPIFFEPath: Codable {
    package init(from decoder: any Decoder) throws {
        try self.init(decoder.singleValueContainer().decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}

/// For paths that are written in code; one that is none is a defect.
extension SPIFFEPath: ExpressibleByStringLiteral {
    package init(stringLiteral text: String) {
        do { try self.init(text) } catch { preconditionFailure("\(error)") }
    }
}
