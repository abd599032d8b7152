import Limits

extension Interpreter {
    /// How many bytes of a file the kernel looks at for its first line: BINPRM_BUF_SIZE, linux/binfmts.h.
    package static let firstLineBytes = Limits.Selectors.firstLineBytes

    /// Whether the file may be believed to be run by this executable, by the first line it has.
    ///
    /// A `#!` is the author's word for whose language it is in: another interpreter would do something else with the same bytes. What
    /// the kernel started by another way than `#!`, as `binfmt_misc` has, which any user can fill in a user namespace of his own, is
    /// nothing that its first line speaks for.
    ///
    /// - Parameters:
    ///   - head: the file's first ``firstLineBytes``.
    ///   - isShebang: the kernel was asked to execute the file itself.
    /// - Returns: nil: it may.
    package static func doubt(aboutFirstLine head: [UInt8], executable: String, isShebang: Bool) -> Doubt? {
        let runs = program(of: executable)
        guard let named = interpreter(inFirstLine: head) else {
            return isShebang ? .otherInterpreter(runs.text, named: nil) : nil
        }
        let family = Grammar.family(of: runs)
        return family != nil && family == Grammar.family(of: named)
            ? nil : .otherInterpreter(runs.text, named: named.text)
    }

    /// The program's own name: `python3` of `#!/usr/bin/env -S X=1 python3 -I`; nil where there is no `#!`.
    private static func interpreter(inFirstLine head: [UInt8]) -> Word? {
        guard head.starts(with: "#!".utf8) else { return nil }
        let line = head.prefix(firstLineBytes).dropFirst(2).prefix { $0 != UInt8(ascii: "\n") && $0 != 0 }
        let blanks: Set<UInt8> = [UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r")]
        let words = line.split { blanks.contains($0) }.map { Word($0) }
        guard let first = words.first.map({ program(of: $0.text) }) else { return Word([]) }
        guard first == "env" else { return first }
        let next = words.dropFirst().first { !$0.begins(with: "-") && !$0.contains("=") }
        return program(of: next?.text ?? "")
    }
}
