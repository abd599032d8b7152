import Crypto
package import Foundation
package import X509
import SwiftASN1

/// SHA-256 of a certificate's DER: the `x5t#S256` that binds an access token to it.
///
/// RFC 8705, section 3.1: base64url without padding, 43 characters.
package struct CertificateThumbprint: Hashable, Sendable, Codable, CustomStringConvertible {
    package let base64URL: String

    package init(der: some DataProtocol) {
        base64URL = Base64URL.encode(SHA256.hash(data: der))
    }

    /// One that was computed before, such as a stored one.
    package init(base64URL: String) {
        self.base64URL = base64URL
    }

    package init(of certificate: Certificate) throws {
        self.init(der: try certificate.derBytes())
    }

    package init(from decoder: any Decoder) throws {
        base64URL = try decoder.singleValueContainer().decode(String.self)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(base64URL)
    }

    package var description: String { base64URL }

    /// From 0 to 1, evenly over certificates, always the same of one.
    package var fraction: Double {
        let bytes = (Base64URL.decode(base64URL) ?? Data()).prefix(2)
        return bytes.reduce(0) { $0 * 256 + Double($1) } / 65536
    }
}

extension Certificate {
    /// The certificate as it goes on the wire.
    package func derBytes() throws -> [UInt8] {
        var serializer = DER.Serializer()
        try serializer.serialize(self)
        return serializer.serializedBytes
    }
}
