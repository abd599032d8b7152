import Limits

/// Which script an interpreter runs, read off its command line. Pure: nothing is opened, and a relative path stays relative.
///
/// That a program is an interpreter is attested (its file's name, and whose that file is); what it runs is claimed, as argv is
/// whoever started it's choice. What these words do not tell for certain is not guessed at.
package enum Interpreter {
    /// What an interpreter is told to run.
    package enum Script: Hashable, Sendable {
        /// As in argv; relative to the working directory the process was started in.
        case file(String)
        /// `python -m`: dotted, looked up along the module path.
        ///
        /// - Parameter fromFolder: whether that path begins with the working directory.
        case pythonModule(String, fromFolder: Bool)
    }

    /// What a command line says of that.
    package enum Reading: Hashable, Sendable {
        case script(Script)
        /// No file is run: no interpreter, an interactive one, or code from an option or standard input.
        case nothing
        case undecidable(Doubt)
    }

    /// Why a command line does not tell what runs.
    package enum Doubt: Hashable, Sendable, CustomStringConvertible {
        case option(String)
        case operand(String)
        /// argv is longer than what is kept of it.
        case cut
        /// The file's first line names another, or none although the kernel was asked to execute the file itself.
        case otherInterpreter(String, named: String?)

        package var description: String {
            switch self {
            case .option(let word): "before the script stands \(word.quoted), of which it is not known what it does"
            case .operand(let word): "\(word.quoted) need not be the file that runs"
            case .otherInterpreter(let program, nil): "\(program.quoted) was not started by the script's own first line"
            case .otherInterpreter(let program, let named?):
                "the script's first line names \(named.quoted), and \(program.quoted) runs it"
            case .cut:
                "its command line, or the script's name, is longer than what is kept: which script it is may stand behind that"
            }
        }
    }

    /// - Parameters:
    ///   - executable: path of the running executable; its last component is looked at.
    ///   - arguments: argv as of exec, the program's own name first.
    ///   - isCut: the last of them may go on, and more may follow.
    ///   - shebang: the file the kernel was asked to execute, where that began with `#!`; it wins, as it is the kernel's own word.
    package static func read(
        executable: String, arguments: [String], isCut: Bool = false, shebang: String? = nil,
    ) -> Reading {
        if let shebang {
            return shebang.namedBytes.count < shebangBytes ? .script(.file(shebang)) : .undecidable(.cut)
        }
        guard let grammar = Grammar.of(program: program(of: executable)) else { return .nothing }
        var reader = WordReader(grammar, arguments.dropFirst().map(Word.init(naming:)), isCut: isCut)
        return reader.read()
    }

    /// As many as the kernel part keeps of the name of a script: PROCESS_PATH_LEN without the NUL. So long a one may go on.
    private static let shebangBytes = Limits.Selectors.scriptNameBytes

    /// Names of executables that may run a script. Those of the families stand for themselves alone, unless a digit follows.
    package static let names: [Pattern] = Grammar.families.keys.map(\.text).sorted().flatMap { name in
        [.text(name)] + (0...9).map { .prefix("\(name)\($0)") }
    }

    /// Whether a file of this path is named as an interpreter is.
    static func isNamed(byPath executable: String) -> Bool { Grammar.of(program: program(of: executable)) != nil }

    static func program(of executable: String) -> Word {
        Word(executable.namedBytes.split(separator: UInt8(ascii: "/")).last ?? [])
    }
}

extension ProcessFacts {
    /// Whether there may be a script, by what the kernel part knows; it decides all others alone.
    package var mayRunScript: Bool { script != nil || Interpreter.isNamed(byPath: executable.path) }
}

extension Interpreter {
    /// A word of a command line: bytes, compared as such. For Swift's texts some other characters are the same as ASCII ones.
    struct Word: Hashable, ExpressibleByStringLiteral {
        let bytes: [UInt8]

        init(_ bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }

        init(naming text: String) { bytes = text.namedBytes }

        init(stringLiteral text: StaticString) { bytes = text.withUTF8Buffer { Array($0) } }

        var text: String { String(naming: bytes) }

        func begins(with other: Word) -> Bool { bytes.starts(with: other.bytes) }

        func ends(with other: Word) -> Bool { bytes.suffix(other.bytes.count).elementsEqual(other.bytes) }

        func contains(_ character: Unicode.Scalar) -> Bool { bytes.contains(UInt8(ascii: character)) }

        /// What stands before and behind the first of these.
        func split(at character: Unicode.Scalar) -> (Word, Word)? {
            guard let place = bytes.firstIndex(of: UInt8(ascii: character)) else { return nil }
            return (Word(bytes[..<place]), Word(bytes[(place + 1)...]))
        }
    }
}
