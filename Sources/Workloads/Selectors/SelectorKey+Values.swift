import SPIFFE

// Which values a key takes.
extension SelectorKey {
    /// For "expected …".
    var noun: String {
        switch self {
        case .userID, .realUserID: "a uid, a whole number"
        case .groupID, .realGroupID, .additionalGroupID: "a gid, a whole number"
        case .name: "a process name"
        case .commandLine: "a command line"
        case .argument: "an argument"
        case .binaryPath: "the path of an executable"
        case .scriptPath: "the path of a script"
        case .binaryHash, .scriptHash: "a SHA-256 hash of 64 hexadecimal digits"
        case .cgroup: "the path of a cgroup"
        case .parent, .ancestor: "a workloadID"
        case .systemdUnit: "the name of a systemd unit"
        case .host: "true or false"
        }
    }

    /// For "a list of …".
    var plural: String {
        switch self {
        case .userID, .realUserID: "uids"
        case .groupID, .realGroupID, .additionalGroupID: "gids"
        case .name: "process names"
        case .commandLine: "command lines"
        case .argument: "arguments"
        case .binaryPath, .scriptPath, .cgroup: "paths"
        case .binaryHash, .scriptHash: "hashes"
        case .parent, .ancestor: "workloadIDs"
        case .systemdUnit: "units"
        case .host: "true and false"
        }
    }

    func pattern(_ value: ValueText) throws(SelectorValue.Mistake) -> Pattern {
        guard !value.text.isEmpty else {
            throw .init("\(noun) before the *, found nothing; remove the key to leave it open")
        }
        guard !value.text.unicodeScalars.contains(where: ManifestReader.isUnreadable) else {
            throw .init("\(noun), without control characters; a byte is written \\xHH")
        }
        guard !value.text.namedBytes.contains(0) else { throw .init("\(noun), which has no byte \\x00") }
        if value.isPrefix, isNumeric || isHash { throw .init("\(noun), whole: \(self) takes no prefix*") }
        switch self {
        case .host:
            guard !value.isPrefix, value.text == "true" || value.text == "false" else {
                throw .init("\(noun), found \"\(value.written)\"")
            }
            return .text(value.text)
        case _ where isNumeric: return try number(value.text)
        case _ where isHash: return try hash(value.text)
        case .commandLine: return try words(value)
        default:
            try check(value)
            return value.isPrefix ? .prefix(value.text) : .text(value.text)
        }
    }

    /// 4294967295 is the kernel's "no id".
    private func number(_ text: String) throws(SelectorValue.Mistake) -> Pattern {
        guard let number = UInt32(text), "\(number)" == text, number < .max else {
            throw .init("\(noun), from 0 to \(UInt32.max - 1), found \"\(text)\"")
        }
        return .number(number)
    }

    private func hash(_ text: String) throws(SelectorValue.Mistake) -> Pattern {
        let digits = text.hasPrefix("sha256:") ? String(text.dropFirst(7)) : text
        guard digits.utf8.count == 64, digits.utf8.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }) else {
            throw .init("\(noun), with or without sha256: before it, found \"\(text)\"; sha256sum FILE prints it")
        }
        return .text(digits.lowercased())
    }

    private func words(_ value: ValueText) throws(SelectorValue.Mistake) -> Pattern {
        let words = Selector.words(of: value.text)
        guard !words.isEmpty else { throw .init("\(noun), found white space alone") }
        if value.isPrefix, Selector.words(of: value.text + "x").count > words.count {
            throw .init(
                "\(noun), with the beginning of a word before the *; without the * further words may follow too")
        }
        let pattern = Pattern.words(words, lastIsPrefix: value.isPrefix)
        let bytes = pattern.compared.bytes.count
        guard bytes <= Selector.maximumCommandLineBytes else {
            throw .init(
                "\(noun) of at most \(Selector.maximumCommandLineBytes) bytes, counting one after each word, "
                    + "found \(bytes); it is matched from the start, so write fewer words",
            )
        }
        return pattern
    }

    private func check(_ value: ValueText) throws(SelectorValue.Mistake) {
        let text = value.text
        let maximum = self == .name ? Selector.maximumNameBytes : Pattern.maximumTextBytes
        guard text.namedBytes.count <= maximum else { throw tooLong(text, maximum: maximum) }
        switch self {
        case .binaryPath, .scriptPath, .cgroup:
            if text.utf8.first != UInt8(ascii: "/") { throw .init("\(noun), which begins with /, found \"\(text)\"") }
        case .parent, .ancestor:
            guard (try? SPIFFEPath(text + (value.isPrefix ? "x" : ""))) != nil else {
                throw .init("\(noun), such as team/weather or agents/*, found \"\(text)\"")
            }
        case .systemdUnit where !value.isPrefix && !SystemdUnit.isName(text):
            let endings = SystemdUnit.suffixes.joined(separator: " ")
            throw .init("\(noun), which ends in one of \(endings), found \"\(text)\"")
        default: break
        }
    }

    private func tooLong(_ text: String, maximum: Int) -> SelectorValue.Mistake {
        guard self == .name else { return .init("\(noun) of at most \(maximum) bytes, found \(text.namedBytes.count)") }
        let kept = String(naming: text.namedBytes.prefix(maximum))
        return .init(
            "a name of at most \(maximum) bytes, found \(text.namedBytes.count); "
                + "the kernel cuts a process's name there: write \"\(kept)\"",
        )
    }
}
