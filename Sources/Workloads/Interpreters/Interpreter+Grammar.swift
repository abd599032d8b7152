extension Interpreter {
    /// How one family of interpreters reads its command line. An option that is in none of these is not known.
    struct Grammar: Sendable {
        /// Options without a value.
        var flags: Set<Word> = []
        /// Options that take the next word, where they do not hold their value already: behind `=`, or behind their letter.
        var withValue: Set<Word> = []
        /// Beginnings of such values with which something else runs than the script, or its source.
        var doubtfulValues: [Word] = []
        /// Options that may hold a value, behind `=` or their letter, and never take the next word: `--inspect=9229`, `perl -i.save`.
        var withRest: Set<Word> = []
        /// Options that have to hold their value.
        var withEquals: Set<Word> = []
        /// Letters that take the next word, also where others stand behind them: what those mean is left open.
        var lastLetters: Set<Word> = []
        /// Letters that take octal digits, behind which others may follow.
        var withDigits: Set<Word> = []
        /// Beginnings of options that take no other word: `-Xmx1g`.
        var beginnings: [Word] = []
        /// Options whose value is code, or with which nothing runs.
        var code: Set<Word> = []
        /// Options whose value is the script.
        var file: Set<Word> = []
        /// Options with which the next word that is none is the script, whatever it is called.
        var makesFile: Set<Word> = []
        /// Options whose value is a Python module.
        var module: Set<Word> = []
        /// With these it is not looked for in the working directory.
        var leavesFolder: Set<Word> = []
        /// Words before the script, such as `run`.
        var commands: Set<Word> = []
        /// Such words with which no file runs that is named here.
        var otherCommands: Set<Word> = []
        /// Where there are any, only a word that ends so is certainly a file.
        var endings: [Word] = []
        /// What any other word is then.
        var runsNothingElse = false
        /// Words that are no file, though they stand where one could.
        var reserved: Set<Word> = []
        /// Letters may stand together in one word, as in `bash -ex`; a letter with a value takes the rest of the word.
        var joinsLetters = true
        /// Where they do not: whether a letter's value may stand in its word, as in `lua -lmodule`.
        var takesRestOfWord = false
        /// `+x` is an option too.
        var hasPlusOptions = false
        /// Each flag `--x` can be taken back by `--no-x`, and `_` is as good as `-`.
        var negates = false
        /// A word may be an address, such as `https://` or `npm:`.
        var takesAddresses = false
        /// `@file` holds further words.
        var takesFilesOfWords = false
        /// `-` is as good as `--`.
        var hyphenEndsOptions = false
        /// Behind `--` comes the script; else code on standard input, or it is no option.
        var endsOptions = true
    }
}

/// Reads one command line.
struct WordReader {
    typealias Word = Interpreter.Word
    typealias Reading = Interpreter.Reading

    /// What a single word means.
    private enum Meaning {
        case flag, takesNext, nothingRuns
        case file(Word)
        case fileIsNext
        case module(Word)
        case moduleIsNext
        case endOfOptions, operand, unknown
    }

    private let grammar: Interpreter.Grammar
    private var rest: ArraySlice<Word>
    private let isCut: Bool
    private var isCommandGiven: Bool
    private var takesAnyFile = false
    private var fromFolder = true

    init(_ grammar: Interpreter.Grammar, _ words: [Word], isCut: Bool) {
        self.grammar = grammar
        self.isCut = isCut
        rest = words[...]
        isCommandGiven = grammar.commands.isEmpty
    }

    mutating func read() -> Reading {
        while let word = next() {
            switch meaning(of: word) {
            case .flag: continue
            case .takesNext:
                if let value = next(), isDoubtful(value) { return .undecidable(.option(value.text)) }
            case .nothingRuns: return .nothing
            case .file(let file): return self.file(file)
            case .fileIsNext: return next().map(file) ?? end
            case .module(let name): return module(name)
            case .moduleIsNext: return next().map(module) ?? end
            case .endOfOptions: return isCommandGiven ? next().map(operand) ?? end : .undecidable(.option(word.text))
            case .operand:
                if isCommandGiven || !grammar.commands.contains(word) { return operand(word) }
                isCommandGiven = true
            case .unknown: return .undecidable(.option(word.text))
            }
        }
        return end
    }

    private func isDoubtful(_ value: Word) -> Bool { grammar.doubtfulValues.contains(where: value.begins) }

    private var end: Reading { isCut ? .undecidable(.cut) : .nothing }

    /// Not the last one of a list that was cut, as that may go on.
    private mutating func next() -> Word? {
        guard !isCut || rest.count > 1 else { return nil }
        return rest.popFirst()
    }

    private func file(_ word: Word) -> Reading {
        word.bytes.isEmpty || word == "-" ? .undecidable(.operand(word.text)) : .script(.file(word.text))
    }

    private func module(_ name: Word) -> Reading {
        .script(.pythonModule(name.text, fromFolder: fromFolder))
    }

    private func operand(_ word: Word) -> Reading {
        if word == "-" { return grammar.hyphenEndsOptions ? .undecidable(.operand("-")) : .nothing }
        if grammar.reserved.contains(word) || grammar.takesAddresses && word.contains(":") {
            return .undecidable(.operand(word.text))
        }
        if takesAnyFile || grammar.endings.isEmpty || grammar.endings.contains(where: word.ends) { return file(word) }
        let isNothing = grammar.runsNothingElse || !isCommandGiven && grammar.otherCommands.contains(word)
        return isNothing ? .nothing : .undecidable(.operand(word.text))
    }
}

// MARK: Options

extension WordReader {
    private mutating func meaning(of word: Word) -> Meaning {
        if word == "-" { return grammar.hyphenEndsOptions ? .endOfOptions : .nothingRuns }
        if word == "--" { return grammar.endsOptions ? .endOfOptions : .nothingRuns }
        if grammar.takesFilesOfWords, word.begins(with: "@") { return .unknown }
        if grammar.hasPlusOptions, word.begins(with: "+"), word.bytes.count > 1 { return meaning(ofLetters: word) }
        guard word.begins(with: "-") else { return .operand }
        if let meaning = meaning(ofOption: word, value: nil) { return meaning }
        if word.begins(with: "--") { return meaning(ofLong: word) }
        if grammar.beginnings.contains(where: word.begins) { return .flag }
        return grammar.joinsLetters ? meaning(ofLetters: word) : meaning(ofOneLetter: word)
    }

    private mutating func meaning(ofLong word: Word) -> Meaning {
        let (written, value) = word.split(at: "=").map { ($0.0, Optional($0.1)) } ?? (word, nil)
        let name =
            grammar.negates ? Word(written.bytes.map { $0 == UInt8(ascii: "_") ? UInt8(ascii: "-") : $0 }) : written
        if let meaning = meaning(ofOption: name, value: value) { return meaning }
        if value != nil, grammar.withEquals.contains(name) { return .flag }
        if grammar.beginnings.contains(where: word.begins) { return .flag }
        if grammar.negates, value == nil, name.begins(with: "--no-") {
            let positive = Word("--".utf8 + name.bytes.dropFirst(5))
            return grammar.flags.contains(positive) || grammar.withRest.contains(positive) ? .flag : .unknown
        }
        return .unknown
    }

    /// - Parameter value: that stands in the same word; nil: it would be the next word.
    private mutating func meaning(ofOption option: Word, value: Word?) -> Meaning? {
        if grammar.leavesFolder.contains(option), value == nil { fromFolder = false }
        if grammar.makesFile.contains(option) { takesAnyFile = true }
        if grammar.flags.contains(option), value == nil { return .flag }
        if grammar.withRest.contains(option) { return .flag }
        if grammar.code.contains(option) { return .nothingRuns }
        if grammar.file.contains(option) { return value.map { .file($0) } ?? .fileIsNext }
        if grammar.module.contains(option) { return value.map { .module($0) } ?? .moduleIsNext }
        if grammar.withValue.contains(option) { return value.map { isDoubtful($0) ? .unknown : .flag } ?? .takesNext }
        return grammar.lastLetters.contains(option) && value == nil ? .takesNext : nil
    }

    /// - Parameter word: `-abc`, or `+abc`.
    private mutating func meaning(ofLetters word: Word) -> Meaning {
        var letters = word.bytes.dropFirst()
        while let letter = letters.popFirst() {
            let option = Word([word.bytes[0], letter])
            if grammar.withDigits.contains(option) {
                letters = letters.drop { (UInt8(ascii: "0")...UInt8(ascii: "7")).contains($0) }
                continue
            }
            if grammar.withEquals.contains(option), letters.first == UInt8(ascii: "=") { return .flag }
            if grammar.flags.contains(option) {
                _ = meaning(ofOption: option, value: nil)
                continue
            }
            return meaning(ofOption: option, value: letters.isEmpty ? nil : Word(letters)) ?? .unknown
        }
        return .flag
    }

    /// `-lmodule`, where letters do not stand together.
    private mutating func meaning(ofOneLetter word: Word) -> Meaning {
        let option = Word(word.bytes.prefix(2))
        guard grammar.takesRestOfWord, word.bytes.count > 2 else { return .unknown }
        return meaning(ofOption: option, value: Word(word.bytes.dropFirst(2))) ?? .unknown
    }
}
