// What strangers wrote, for a reader's eyes: a command line, a path, a peer's certificate, an agent's error. Every character
// that could move the cursor, begin a line, turn letters round or not be seen at all stands as the `\xHH` of its bytes, the one
// escape there is; see ``Swift/String/init(naming:)``.
extension StringProtocol {
    /// One line, of characters that are seen. Doing it twice changes nothing.
    package var visible: String {
        guard hasUnseen else { return String(self) }
        return unicodeScalars.reduce(into: "") { text, scalar in
            if scalar.isSeen {
                text.unicodeScalars.append(scalar)
            } else {
                for byte in String(scalar).utf8 { text += String.escape(byte) }
            }
        }
    }

    /// JSON in which all such characters stand as `\uXXXX`: the same values for whoever decodes it.
    ///
    /// In valid JSON they can only stand within strings; the line breaks of the encoder's layout stay.
    package var visibleJSON: String {
        guard hasUnseen else { return String(self) }
        return unicodeScalars.reduce(into: "") { text, scalar in
            if scalar.isSeen || scalar == "\n" {
                text.unicodeScalars.append(scalar)
            } else {
                for unit in String(scalar).utf16 {
                    let digits = String(unit, radix: 16)
                    text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                }
            }
        }
    }

    /// In quotes, with a backslash before each that is in it; also before one that carries an accent.
    package var quoted: String {
        "\"" + unicodeScalars.reduce(into: "") { $0 += $1 == "\"" ? "\\\"" : String($1) } + "\""
    }

    package func hasAny(of scalars: String) -> Bool {
        unicodeScalars.contains { scalars.unicodeScalars.contains($0) }
    }

    package var hasUnseen: Bool {
        !utf8.allSatisfy { (0x20...0x7e).contains($0) } && unicodeScalars.contains { !$0.isSeen }
    }
}

extension Unicode.Scalar {
    /// Letters, digits, marks and signs, and the one blank of ASCII. Not: C0, DEL, C1, line and paragraph separators, bidirectional
    /// and other format controls, what a terminal shows as nothing or as some other blank, and what no standard gives a meaning.
    fileprivate var isSeen: Bool {
        if isASCII { return (0x20...0x7e).contains(value) }
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .spaceSeparator, .surrogate, .privateUse,
            .unassigned:
            return false
        default: return !properties.isDefaultIgnorableCodePoint
        }
    }
}
