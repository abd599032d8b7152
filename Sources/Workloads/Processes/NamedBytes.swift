// The kernel knows names, words of argv and paths as bytes, of any value but NUL. We carry them as text in one spelling:
// what is UTF-8 stands for itself, every other byte as `\xHH`, and so does a backslash that would otherwise begin such an
// escape. Two names are two texts, and a manifest can name any bytes. `\x2d`, as systemd writes a hyphen in the name of a
// unit, is no escape but these four characters: printable ASCII needs none. See docs/decisions/0016.
extension String {
    /// - Parameter bytes: as the kernel, or whoever started the process, gave them.
    package init(naming bytes: some Collection<UInt8>) {
        guard let text = String(validating: bytes, as: UTF8.self), !text.utf8.hasEscape else {
            self.init(decoding: Self.escaped(Array(bytes)[...]), as: UTF8.self)
            return
        }
        self = text
    }

    private static func escaped(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        var rest = bytes
        while let first = rest.first {
            let count = rest.lengthOfScalar
            if count == 0 || rest.beginsWithEscape {
                result += String.escape(first).utf8
                rest = rest.dropFirst()
            } else {
                result += rest.prefix(count)
                rest = rest.dropFirst(count)
            }
        }
        return result
    }

    /// `\x0a` of 10.
    static func escape(_ byte: UInt8) -> String {
        "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
}

extension StringProtocol {
    /// The bytes it stands for; see ``Swift/String/init(naming:)``. Of several spellings of the same bytes all are read.
    package var namedBytes: [UInt8] {
        guard utf8.hasEscape else { return Array(utf8) }
        var result: [UInt8] = []
        var rest = Array(utf8)[...]
        while let first = rest.first {
            if rest.beginsWithEscape, let byte = rest.escapedByte {
                result.append(byte)
                rest = rest.dropFirst(4)
            } else {
                result.append(first)
                rest = rest.dropFirst()
            }
        }
        return result
    }
}

extension Collection<UInt8> {
    fileprivate var hasEscape: Bool {
        guard contains(UInt8(ascii: "\\")) else { return false }
        let bytes = Array(self)
        return bytes.indices.contains { bytes[$0...].beginsWithEscape }
    }
}

extension ArraySlice<UInt8> {
    fileprivate var beginsWithEscape: Bool {
        first == UInt8(ascii: "\\") && dropFirst().first == UInt8(ascii: "x") && escapedByte != nil
    }

    /// Of the two digits behind `\x`; nil where they give a character that stands for itself.
    fileprivate var escapedByte: UInt8? {
        let digits = dropFirst(2).prefix(2).compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
        guard digits.count == 2 else { return nil }
        let byte = UInt8(digits[0] << 4 | digits[1])
        return (0x20...0x7e).contains(byte) && byte != UInt8(ascii: "\\") ? nil : byte
    }

    /// In bytes of valid UTF-8; 0 where none begins here.
    fileprivate var lengthOfScalar: Int {
        let longest = Swift.min(4, count)
        return (1...longest).first { String(validating: prefix($0), as: UTF8.self) != nil } ?? 0
    }
}
