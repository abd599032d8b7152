import Foundation
import SwiftASN1
import X509

/// An IP address as a certificate holds it: 4 or 16 bytes. RFC 5280, section 4.2.1.6.
enum IPAddressName {
    /// - Parameter text: IPv4 dotted, or IPv6 in the forms of RFC 4291, section 2.2, without a zone.
    static func parse(_ text: String) throws(IssuerError) -> GeneralName {
        guard let bytes = four(text[...]) ?? sixteen(text) else { throw .address(text) }
        return .ipAddress(ASN1OctetString(contentBytes: bytes[...]))
    }

    private static func four(_ text: Substring) -> [UInt8]? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        let bytes = parts.compactMap { part in part.count <= 3 && part.allSatisfy(\.isWholeNumber) ? UInt8(part) : nil }
        return parts.count == 4 && bytes.count == 4 ? bytes : nil
    }

    /// RFC 4291, section 2.2, forms 1 and 2.
    private static func sixteen(_ text: String) -> [UInt8]? {
        let halves = text.components(separatedBy: "::")
        let groups = halves.map { half in
            half.isEmpty ? [] : half.split(separator: ":", omittingEmptySubsequences: false)
        }
        let words = groups.map {
            $0.compactMap { $0.count <= 4 && $0.allSatisfy(\.isHexDigit) ? UInt16($0, radix: 16) : nil }
        }
        guard zip(groups, words).allSatisfy({ $0.count == $1.count }) else { return nil }
        let missing = 8 - words.joined().count
        switch halves.count {
        case 1 where missing == 0: return bytes(of: words[0])
        case 2 where missing > 0: return bytes(of: words[0] + [UInt16](repeating: 0, count: missing) + words[1])
        default: return nil
        }
    }

    private static func bytes(of words: [UInt16]) -> [UInt8] {
        words.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] }
    }
}
