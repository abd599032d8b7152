/// The one spelling of a path that every reader takes for the same: of a request's target, and of a declared resource.
///
/// RFC 3986, sections 3.3 and 6.2: what needs no escape has none, what needs one has it in upper case and is UTF-8; no
/// segment is empty (but the last), `.` or `..`; no parameters, no backslash, no escaped separator. Two such paths are
/// the same path exactly where they are the same bytes, so comparing bytes is comparing paths.
package struct NormalPath: Sendable, Equatable {
    /// Starts with `/`.
    package let text: String

    /// Why a text is no such path; ends in what is wrong with it.
    package struct Objection: Error, Equatable {
        package let reason: String
    }

    /// - Parameter text: without a query.
    package init(_ text: some StringProtocol) throws(Objection) {
        guard text.utf8.first == UInt8(ascii: "/") else { throw Objection(reason: "the path does not start with /") }
        let bytes = Array(text.utf8)
        try Self.checkSegments(bytes[1...])
        var index = 0
        var decoded: [UInt8] = []
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "%") {
                decoded.append(try Self.escape(bytes, at: index))
                index += 3
            } else {
                guard Self.needsNoEscape(bytes[index]) || bytes[index] == UInt8(ascii: "/") else {
                    throw Self.bare(bytes[index])
                }
                decoded.append(bytes[index])
                index += 1
            }
        }
        guard String(validating: decoded, as: UTF8.self) != nil else {
            throw Objection(reason: "the path's escapes are no UTF-8")
        }
        self.text = String(text)
    }

    private static func checkSegments(_ path: ArraySlice<UInt8>) throws(Objection) {
        let segments = path.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        if segments.dropLast().contains(where: \.isEmpty) { throw Objection(reason: "the path contains \"//\"") }
        for segment in segments where segment.elementsEqual(".".utf8) || segment.elementsEqual("..".utf8) {
            throw Objection(reason: "the path contains a \"\(String(decoding: segment, as: UTF8.self))\" segment")
        }
    }

    /// The byte an escape stands for.
    private static func escape(_ bytes: [UInt8], at index: Int) throws(Objection) -> UInt8 {
        guard index + 2 < bytes.count, let high = hexadecimal(bytes[index + 1]), let low = hexadecimal(bytes[index + 2])
        else { throw Objection(reason: "the path contains a % that is no escape of two digits in upper case") }
        let byte = high << 4 | low
        let escape = String(decoding: bytes[index...(index + 2)], as: UTF8.self)
        if needsNoEscape(byte) {
            throw Objection(reason: "the path contains \(escape), a character that needs no escape")
        }
        if isAmbiguous(byte) {
            throw Objection(reason: "the path contains \(escape), which servers read in different ways")
        }
        return byte
    }

    /// RFC 3986's pchar without `;`, whose parameters some servers cut off.
    private static func needsNoEscape(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "-._~!$&'()*+,=:@".utf8.contains(byte)
        }
    }

    private static func isAmbiguous(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == 0x7f || "/\\;%".utf8.contains(byte)
    }

    private static func bare(_ byte: UInt8) -> Objection {
        switch byte {
        case UInt8(ascii: ";"): Objection(reason: "the path contains a \";\" parameter")
        case UInt8(ascii: "\\"): Objection(reason: "the path contains a backslash")
        default: Objection(reason: "the path contains byte \(byte), which needs an escape")
        }
    }

    private static func hexadecimal(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
