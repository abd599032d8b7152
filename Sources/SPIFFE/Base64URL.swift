package import Foundation

/// The alphabet of JOSE: RFC 4648, section 5, never padded.
package enum Base64URL {
    package static func encode(_ bytes: some Sequence<UInt8>) -> String {
        Data(bytes).base64EncodedString()
            .replacingOccurrences(of: "+", with: "-")
            .replacingOccurrences(of: "/", with: "_")
            .replacingOccurrences(of: "=", with: "")
    }

    /// - Returns: nil for padding, for the other alphabet, and for a text whose spare bits are not zero,
    ///   so that one value has one spelling.
    package static func decode(_ text: some StringProtocol) -> Data? {
        guard text.utf8.allSatisfy(allows) else { return nil }
        let standard = text.replacingOccurrences(of: "-", with: "+").replacingOccurrences(of: "_", with: "/")
        let padding = String(repeating: "=", count: (4 - standard.utf8.count % 4) % 4)
        guard padding.utf8.count < 3, let data = Data(base64Encoded: standard + padding) else { return nil }
        return encode(data) == text ? data : nil
    }

    private static func allows(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
