/// The administrative boundary an identity belongs to, such as `prod.example`.
///
/// Valid by construction: there is no way to hold a name that the SPIFFE ID
/// standard, section 2.1, would reject.
package struct TrustDomain: Hashable, Sendable, CustomStringConvertible {
    package let name: String

    /// - Parameter name: 1...255 bytes of `a-z 0-9 . - _`, without a scheme.
    package init(_ name: String) throws(SPIFFEIDError) {
        guard !name.isEmpty else { throw .trustDomainMissing }
        guard name.utf8.count <= 255 else { throw .trustDomainTooLong(bytes: name.utf8.count) }
        if let bad = name.unicodeScalars.first(where: { !Self.allows($0) }) {
            throw .trustDomainCharacter(bad, in: name)
        }
        self.name = name
    }

    package var description: String { name }

    /// The trust domain's own ID, without a path: what a signing certificate carries.
    package var uri: String { "spiffe://\(name)" }

    private static func allows(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "a"..."z", "0"..."9", ".", "-", "_": true
        default: false
        }
    }
}

extension TrustDomain: Codable {
    package init(from decoder: any Decoder) throws {
        try self.init(decoder.singleValueContainer().decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(name)
    }
}
