/// The path of an HTTP request, in the one spelling every server reads the same way.
///
/// A server may decode, merge or resolve what a gateway compared as bytes; a target that leaves room for that is
/// refused rather than guessed at. RFC 9112, section 3.2, RFC 3986, section 6.2.
package struct RequestTarget: Sendable, Equatable {
    /// Starts with `/`, without the query.
    package let path: String

    /// - Parameter target: as in the request line: `/mcp?x=1`.
    /// - Throws: a ``Refusal`` with status 400.
    package init(_ target: String) throws(Refusal) {
        guard target.utf8.first == UInt8(ascii: "/") else {
            throw .path("the request target is not a path")
        }
        let path = target.prefix { $0 != "?" }
        try Self.checkBytes(target)
        try Self.checkSegments(path)
        try Self.checkEscapes(path)
        self.path = String(path)
    }

    private static func checkBytes(_ target: String) throws(Refusal) {
        for byte in target.utf8 where byte <= 0x20 || byte >= 0x7f {
            throw .path("the request target contains byte \(byte)")
        }
        if target.contains("#") { throw .path("the request target contains a fragment") }
    }

    private static func checkSegments(_ path: Substring) throws(Refusal) {
        if path.contains("\\") { throw .path("the path contains a backslash") }
        if path.contains(";") { throw .path("the path contains a \";\" parameter") }
        for segment in path.dropFirst().split(separator: "/", omittingEmptySubsequences: false).dropLast()
        where segment.isEmpty {
            throw .path("the path contains \"//\"")
        }
        for segment in path.split(separator: "/") where segment == "." || segment == ".." {
            throw .path("the path contains a \"\(segment)\" segment")
        }
    }

    /// Allows an escape only where decoding it could not yield another path: neither a separator, nor a control, nor a
    /// character that needs no escape.
    private static func checkEscapes(_ path: Substring) throws(Refusal) {
        let bytes = Array(path.utf8)
        for index in bytes.indices where bytes[index] == UInt8(ascii: "%") {
            guard index + 2 < bytes.count, let high = hex(bytes[index + 1]), let low = hex(bytes[index + 2]) else {
                throw .path("the path contains an incomplete % escape")
            }
            guard keepsItsMeaning(high << 4 | low) else {
                let escape = String(decoding: bytes[index...(index + 2)], as: UTF8.self)
                throw .path("the path contains \(escape), which servers read in different ways")
            }
        }
    }

    private static func keepsItsMeaning(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x00..<0x20, 0x7f: false
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            false
        case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"): false
        case UInt8(ascii: "/"), UInt8(ascii: "\\"), UInt8(ascii: ";"), UInt8(ascii: "%"): false
        default: true
        }
    }

    private static func hex(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
