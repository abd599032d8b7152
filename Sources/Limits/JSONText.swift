extension String {
    /// At least the bytes it takes between the quotation marks of JSON.
    package var jsonBytes: Int { unicodeScalars.reduce(0) { $0 + $1.jsonBytes } }

    /// The beginning of it that takes at most so many bytes in JSON; where something is left out it ends in "…".
    ///
    /// Counted by scalar: a single character may be of any length.
    package func cut(toJSONBytes maximum: Int) -> String {
        // Almost always short: no scalar takes more than six bytes, nor than six for each of UTF-8.
        guard utf8.count > maximum / 6, jsonBytes > maximum else { return self }
        var kept = String.UnicodeScalarView()
        var left = maximum - "…".utf8.count
        for scalar in unicodeScalars {
            left -= scalar.jsonBytes
            guard left >= 0 else { break }
            kept.append(scalar)
        }
        return String(kept.withoutBrokenEscape) + "…"
    }
}

extension [String] {
    /// The first ones, of which the texts take at most so many bytes in JSON, each with three for what is around it.
    package func cut(toJSONBytes maximum: Int) -> [String] {
        var kept: [String] = []
        var left = maximum
        for text in self {
            guard left > 16 else { return kept + ["…"] }
            let text = text.cut(toJSONBytes: left)
            kept.append(text)
            left -= text.jsonBytes + 3
        }
        return kept
    }
}

extension String.UnicodeScalarView {
    /// Without the beginning of a `\xHH` at its end, which would be read as characters of its own.
    fileprivate var withoutBrokenEscape: Substring.UnicodeScalarView {
        guard let start = suffix(3).lastIndex(of: "\\") else { return self[...] }
        return self[..<start]
    }
}

extension Unicode.Scalar {
    /// RFC 8259, section 7: what an encoder may make of it, at most.
    fileprivate var jsonBytes: Int {
        switch value {
        case 0..<0x20, 0x7f: 6
        case 0x22, 0x2f, 0x5c: 2
        default: UTF8.width(self)
        }
    }
}
