/// Which script an interpreter runs, read off its command line. Pure: nothing is opened, and a relative path stays relative.
///
/// That a program is an interpreter is attested (its file's name); what it runs is claimed, as argv is whoever started it's choice.
package enum Interpreter {
    package enum Script: Hashable, Sendable {
        /// As in argv; relative to the working directory the process was started in.
        case file(String)
        /// `python -m`: dotted, looked up along the module path.
        case pythonModule(String)
    }

    /// - Parameters:
    ///   - executable: path of the running executable; its last component is looked at.
    ///   - arguments: argv as of exec, the program's own name first.
    ///   - shebang: the file the kernel was asked to execute, where that began with `#!`; it wins, as it is the kernel's own word.
    /// - Returns: nil where no file is run: no interpreter, an interactive one, or code from an option or standard input.
    package static func script(executable: String, arguments: [String], shebang: String? = nil) -> Script? {
        if let shebang { return .file(shebang) }
        let name = executable.utf8.split(separator: UInt8(ascii: "/")).last.map { String(Substring($0)) } ?? ""
        return Grammar.of(program: name)?.script(in: arguments.dropFirst())
    }
}

extension Interpreter {
    /// How one family of interpreters reads its command line.
    struct Grammar: Sendable {
        /// Options that take the next word, where they do not hold their value already.
        var withValue: Set<String> = []
        /// Letters that take the rest of their word, and never the next one, as in `perl -i.save`.
        var withRest: Set<String> = []
        /// Options whose value is code: there is no script then.
        var code: Set<String> = []
        /// Options whose value is the script.
        var file: Set<String> = []
        /// Options whose value is a Python module.
        var module: Set<String> = []
        /// Words before the script, such as `run`; where there are any, nothing else runs a file.
        var commands: Set<String> = []
        /// Files a program may be called with directly although it has commands: by their ending. Of an empty list none.
        var endings: [String] = []
        /// Letters may stand together in one word, as in `bash -ex`; a letter with a value takes the rest of the word.
        var joinsLetters = true
        /// `+x` is an option too.
        var hasPlusOptions = false
        /// Of the words that are no option, only those that end so are scripts.
        var onlyEndings = false
    }
}

extension Interpreter.Grammar {
    typealias Script = Interpreter.Script

    /// What a single word means.
    private enum Meaning {
        case flag, takesNext, nothingRuns
        case script(Script)
        case scriptIsNext, moduleIsNext
        case endOfOptions
        case operand
    }

    func script(in arguments: ArraySlice<String>) -> Script? {
        var rest = arguments
        var isCommandGiven = commands.isEmpty
        while let word = rest.popFirst() {
            switch meaning(of: word) {
            case .flag: continue
            case .takesNext: _ = rest.popFirst()
            case .nothingRuns: return nil
            case .script(let script): return script
            case .scriptIsNext: return rest.first.map { .file($0) }
            case .moduleIsNext: return rest.first.map { .pythonModule($0) }
            case .endOfOptions: return isCommandGiven ? rest.first.flatMap(operand) : nil
            case .operand:
                if isCommandGiven { return operand(word) }
                if !commands.contains(word) { return endings.contains(where: word.hasSuffix) ? .file(word) : nil }
                isCommandGiven = true
            }
        }
        return nil
    }

    private func operand(_ word: String) -> Script? {
        guard !word.isEmpty, word != "-", !onlyEndings || endings.contains(where: word.hasSuffix) else { return nil }
        return .file(word)
    }

    private func meaning(of word: String) -> Meaning {
        if word == "-" { return .nothingRuns }
        if word == "--" { return .endOfOptions }
        if hasPlusOptions, word.hasPrefix("+"), word.count > 1 { return withValue.contains(word) ? .takesNext : .flag }
        guard word.hasPrefix("-") else { return .operand }
        if let meaning = meaning(ofOption: word, value: nil) { return meaning }
        if word.hasPrefix("--"), let equals = word.firstIndex(of: "=") {
            return meaning(ofOption: String(word[..<equals]), value: String(word[word.index(after: equals)...]))
                ?? .flag
        }
        return joinsLetters && !word.hasPrefix("--") ? meaning(ofLetters: word.dropFirst()) : .flag
    }

    /// - Parameter value: that stands in the same word; nil: it would be the next word.
    private func meaning(ofOption option: String, value: String?) -> Meaning? {
        if withRest.contains(option) { return .flag }
        if code.contains(option) { return .nothingRuns }
        if file.contains(option) { return value.map { .script(.file($0)) } ?? .scriptIsNext }
        if module.contains(option) { return value.map { .script(.pythonModule($0)) } ?? .moduleIsNext }
        if withValue.contains(option) { return value == nil ? .takesNext : .flag }
        return nil
    }

    private func meaning(ofLetters letters: Substring) -> Meaning {
        for index in letters.indices {
            let rest = letters[letters.index(after: index)...]
            if let meaning = meaning(ofOption: "-\(letters[index])", value: rest.isEmpty ? nil : String(rest)) {
                return meaning
            }
        }
        return .flag
    }
}
