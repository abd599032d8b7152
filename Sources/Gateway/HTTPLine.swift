/// One line of an HTTP/1.1 head, byte for byte: RFC 9112, sections 2 to 5, and nothing it does not allow.
///
/// Names and values are strings of one scalar a byte (ISO 8859-1), so that every byte that may stand in a header goes on as
/// it came, whatever its charset. Whatever two readers could take for different things is refused, with the rule.
package enum HTTPLine {
    /// A request line. The target is as it came; ``RequestTarget`` reads it.
    package struct Request: Equatable {
        package let method: String
        package let target: String
        /// The 1 of HTTP/1.1; always 0 or 1.
        package let minorVersion: Int
    }

    /// A status line.
    package struct Status: Equatable {
        package let minorVersion: Int
        package let code: Int
        package let reason: String
    }

    /// `GET /mcp HTTP/1.1`, RFC 9112, section 3.
    package static func request(_ line: ArraySlice<UInt8>) throws(Refusal) -> Request {
        let parts = line.split(separator: space, omittingEmptySubsequences: false)
        guard parts.count == 3 else {
            throw .malformed(400, "the request line is not a method, a target and a version with one space between")
        }
        guard isToken(parts[0]) else { throw .malformed(400, "the method is no token (RFC 9110, section 9.1)") }
        guard !parts[1].isEmpty, parts[1].allSatisfy({ $0 > space && $0 != 0x7f }) else {
            throw .malformed(400, "the request target is empty or holds a control character")
        }
        return Request(method: text(parts[0]), target: text(parts[1]), minorVersion: try minorVersion(parts[2]))
    }

    /// `HTTP/1.1 200 OK`, RFC 9112, section 4; the space before an empty reason may be missing.
    package static func status(_ line: ArraySlice<UInt8>) throws(Refusal) -> Status {
        let parts = line.split(separator: space, maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count >= 2 else { throw .malformed(400, "the status line has no status") }
        let digits = parts[1].map { Int($0) - 0x30 }
        guard digits.count == 3, digits.allSatisfy({ (0...9).contains($0) }), digits[0] > 0 else {
            throw .malformed(400, "the status is no three digits (RFC 9112, section 4)")
        }
        let reason = parts.count == 3 ? parts[2] : []
        guard reason.allSatisfy(isValueByte) else {
            throw .malformed(400, "the status line holds a control character")
        }
        return Status(
            minorVersion: try minorVersion(parts[0]), code: digits[0] * 100 + digits[1] * 10 + digits[2],
            reason: text(reason),
        )
    }

    /// `Name: value`, RFC 9112, section 5; white space around the value is none of it.
    package static func field(_ line: ArraySlice<UInt8>) throws(Refusal) -> HeaderHygiene.Header {
        guard let first = line.first, first != space, first != tab else {
            throw .malformed(400, "a header is folded over two lines (RFC 9112, section 5.2)")
        }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else {
            throw .malformed(400, "a header has no colon (RFC 9112, section 5)")
        }
        guard isToken(line[..<colon]) else {
            throw .malformed(
                400, "a header's name is no token, or white space is before its colon (RFC 9112, section 5.1)")
        }
        var value = line[line.index(after: colon)...]
        while let first = value.first, first == space || first == tab { value.removeFirst() }
        while let last = value.last, last == space || last == tab { value.removeLast() }
        guard value.allSatisfy(isValueByte) else {
            throw .malformed(400, "a header's value holds a control character (RFC 9110, section 5.5)")
        }
        return (text(line[..<colon]), text(value))
    }

    /// The size in front of a chunk; what follows a `;` is an extension and stays behind. RFC 9112, section 7.1.
    package static func chunkSize(_ line: ArraySlice<UInt8>) throws(Refusal) -> Int {
        let digits = line.prefix { hexadecimal($0) != nil }
        let rest = line[digits.endIndex...].drop { $0 == space || $0 == tab }
        guard !digits.isEmpty, digits.count <= 15, rest.isEmpty || rest.first == UInt8(ascii: ";"),
            rest.allSatisfy(isValueByte)
        else { throw .malformed(400, "a chunk's size is not hexadecimal (RFC 9112, section 7.1)") }
        return digits.reduce(0) { $0 << 4 | (hexadecimal($1) ?? 0) }
    }

    /// The bytes a string of one scalar a byte stands for. A scalar beyond becomes `?`: ours are ASCII.
    package static func bytes(_ text: String) -> [UInt8] {
        text.unicodeScalars.map { $0.value <= 0xff ? UInt8($0.value) : UInt8(ascii: "?") }
    }

    /// One scalar a byte; the counterpart of ``bytes(_:)``.
    package static func text(_ bytes: some Collection<UInt8>) -> String {
        if bytes.allSatisfy({ $0 < 0x80 }) { return String(decoding: bytes, as: UTF8.self) }
        var text = String.UnicodeScalarView()
        for byte in bytes { text.append(Unicode.Scalar(byte)) }
        return String(text)
    }

    /// RFC 9110, section 5.6.2.
    package static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }

    private static let space = UInt8(ascii: " ")
    private static let tab = UInt8(ascii: "\t")

    private static func isToken(_ bytes: ArraySlice<UInt8>) -> Bool { !bytes.isEmpty && bytes.allSatisfy(isTokenByte) }

    private static func isValueByte(_ byte: UInt8) -> Bool { byte >= space && byte != 0x7f || byte == tab }

    private static func minorVersion(_ version: ArraySlice<UInt8>) throws(Refusal) -> Int {
        switch Array(version) {
        case Array("HTTP/1.1".utf8): return 1
        case Array("HTTP/1.0".utf8): return 0
        case let other where other.starts(with: "HTTP/".utf8):
            throw .malformed(505, "only HTTP/1.0 and HTTP/1.1 are spoken here")
        default: throw .malformed(400, "the first line names no version of HTTP")
        }
    }

    private static func hexadecimal(_ digit: UInt8) -> Int? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): Int(digit - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): Int(digit - UInt8(ascii: "a") + 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): Int(digit - UInt8(ascii: "A") + 10)
        default: nil
        }
    }
}
