import Foundation
import Limits

/// The parameters of an `application/x-www-form-urlencoded` body. RFC 6749, section 3.2 and appendix B.
struct FormParameters {
    private let values: [String: [String]]

    /// The one parameter that may come more than once, RFC 8707, section 2.
    private static let repeatable: Set = ["resource"]

    init(parsing body: Data) throws(OAuthRefusal) {
        var values: [String: [String]] = [:]
        for pair in body.split(separator: UInt8(ascii: "&")) {
            let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = Self.decode(parts[0]), let value = Self.decode(parts.count == 2 ? parts[1] : Data()) else {
                throw OAuthRefusal(.invalidRequest, "the body is not form-encoded UTF-8")
            }
            values[name, default: []].append(value)
        }
        let repeated = values.filter { $0.value.count > 1 }.keys
        if let twice = repeated.sorted().first(where: { !Self.repeatable.contains($0) }) {
            throw OAuthRefusal(
                .invalidRequest, "parameter \"\(twice.cut(toJSONBytes: Limits.Audit.wordBytes))\" comes twice")
        }
        // A parameter without a value counts as omitted, RFC 6749, section 3.2.
        self.values = values.mapValues { $0.filter { !$0.isEmpty } }
    }

    subscript(name: String) -> String? { values[name]?.first }

    func all(_ name: String) -> [String] { values[name] ?? [] }

    func required(_ name: String) throws(OAuthRefusal) -> String {
        guard let value = self[name] else { throw OAuthRefusal(.invalidRequest, "parameter \"\(name)\" is missing") }
        return value
    }

    private static func decode(_ bytes: Data) -> String? {
        var plain: [UInt8] = []
        var rest = bytes[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "+"): plain.append(0x20)
            case UInt8(ascii: "%"):
                guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit) else {
                    return nil
                }
                plain.append(high << 4 | low)
            default: plain.append(byte)
            }
        }
        return String(validating: plain, as: UTF8.self)
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        Character(Unicode.Scalar(byte)).isASCII ? Character(Unicode.Scalar(byte)).hexDigitValue.map(UInt8.init) : nil
    }
}
