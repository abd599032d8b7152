import Limits

/// What one value of a selector's key asks for. Compared byte by byte, as the kernel compares.
package enum Pattern: Sendable {
    case number(UInt32)
    /// The whole value.
    case text(String)
    /// The value's beginning; written `text*`.
    case prefix(String)
    /// Whole words from the start of argv; with `lastIsPrefix` the last one is the beginning of a word. `process:cmdline` alone.
    case words([String], lastIsPrefix: Bool)

    /// Longer texts are refused; also what is looked at of one word of argv.
    package static let maximumTextBytes = Limits.Selectors.textBytes

    var isPrefix: Bool {
        switch self {
        case .number, .text: false
        case .prefix: true
        case .words(_, let lastIsPrefix): lastIsPrefix
        }
    }
}

// Swift's == takes two spellings of one character for the same text; the kernel does not.
extension Pattern: Hashable {
    package static func == (left: Pattern, right: Pattern) -> Bool {
        switch (left, right) {
        case (.number(let left), .number(let right)): left == right
        case (.text(let left), .text(let right)), (.prefix(let left), .prefix(let right)): left.hasSameBytes(as: right)
        case (.words(let left, let leftIsPrefix), .words(let right, let rightIsPrefix)):
            leftIsPrefix == rightIsPrefix && left.elementsEqual(right) { $0.hasSameBytes(as: $1) }
        default: false
        }
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(compared) }
}

extension Pattern {
    /// A pattern as bytes: whole, or the beginning of the value.
    struct Compared: Hashable {
        let bytes: [UInt8]
        let isPrefix: Bool

        /// Whether a value can fit both.
        func meets(_ other: Compared) -> Bool {
            isPrefix && other.bytes.starts(with: bytes) || other.isPrefix && bytes.starts(with: other.bytes)
                || bytes == other.bytes
        }

        /// Whether every value that fits `other` fits this.
        func covers(_ other: Compared) -> Bool {
            isPrefix ? other.bytes.starts(with: bytes) : !other.isPrefix && bytes == other.bytes
        }
    }

    /// Numbers big-endian; of a command line each whole word with a NUL, always a beginning.
    var compared: Compared {
        switch self {
        case .number(let number):
            Compared(bytes: [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> $0) }, isPrefix: false)
        case .text(let text): Compared(bytes: text.namedBytes, isPrefix: false)
        case .prefix(let text): Compared(bytes: text.namedBytes, isPrefix: true)
        case .words(let words, let lastIsPrefix):
            Compared(
                bytes: Array(words.map { $0.namedBytes + [0] }.joined().dropLast(lastIsPrefix ? 1 : 0)), isPrefix: true
            )
        }
    }
}

/// What a selector asks of one key.
///
/// Holds when `anyOf` is empty or one of it matches, and none of `noneOf` matches. `!value` in the manifest goes to `noneOf`.
package struct Condition: Hashable, Sendable {
    package var anyOf: [Pattern]
    package var noneOf: [Pattern]

    package init(anyOf: [Pattern] = [], noneOf: [Pattern] = []) {
        self.anyOf = anyOf
        self.noneOf = noneOf
    }
}

extension StringProtocol {
    func hasSameBytes(as other: some StringProtocol) -> Bool {
        utf8.elementsEqual(other.utf8) || mayEscape(or: other) && namedBytes == other.namedBytes
    }

    func hasBytes(beginningWith other: some StringProtocol) -> Bool {
        mayEscape(or: other) ? namedBytes.starts(with: other.namedBytes) : utf8.starts(with: other.utf8)
    }

    /// Without a backslash the text's own bytes are those it stands for.
    private func mayEscape(or other: some StringProtocol) -> Bool {
        utf8.contains(UInt8(ascii: "\\")) || other.utf8.contains(UInt8(ascii: "\\"))
    }
}
