import Foundation
import Testing

@testable import Workloads

/// Held against the interpreters of this machine: each option, alone and beside others, before two scripts. What is read off the
/// command line has to be what ran.
@Suite("Real interpreters") struct RealInterpreterTests {
    struct Kind: Sendable, CustomStringConvertible {
        let path: String
        let grammar: Interpreter.Grammar
        let ending: String
        /// Says which file runs, and ends.
        let program: String
        /// With these it waits for somebody, or needs what a test does not have.
        var leftOut: Set<Interpreter.Word> = []

        var description: String { path }
    }

    private static let known = [
        Kind(
            path: "/usr/bin/python3.11", grammar: .families["python"] ?? .init(), ending: ".py",
            program: "import os, sys\nos.write(1, b'RAN ' + sys.argv[0].encode() + b'\\n')\nos._exit(0)\n"),
        Kind(
            path: "/usr/bin/perl", grammar: .families["perl"] ?? .init(), ending: ".pl",
            program: "use POSIX (); POSIX::write(1, \"RAN $0\\n\", length($0) + 5); POSIX::_exit(0);\n"),
        Kind(
            path: "/usr/bin/bash", grammar: .families["bash"] ?? .init(), ending: ".sh",
            program: "echo \"RAN $0\"; exit 0\n"),
        Kind(
            path: "/usr/bin/dash", grammar: .families["dash"] ?? .init(), ending: ".sh",
            program: "echo \"RAN $0\"; exit 0\n"),
        Kind(
            path: "/usr/bin/node", grammar: .node, ending: ".js",
            program: "require('fs').writeSync(1, 'RAN ' + __filename + '\\n'); process.reallyExit(0);\n",
            leftOut: ["--inspect-brk", "--inspect-wait"]),
    ]

    /// Debian has the first four, always.
    static let present = known.filter { FileManager.default.isExecutableFile(atPath: $0.path) }

    @Test func `the interpreters that every Debian has are here`() {
        #expect(Self.present.count >= 4, "found \(Self.present.map(\.path))")
    }

    @Test(arguments: present)
    func `what is read off a command line is what runs`(_ kind: Kind) async throws {
        let lines = Self.lines(of: kind).filter { words in
            if case .undecidable = Interpreter.read(executable: kind.path, arguments: [kind.path] + words) {
                return false
            }
            return true
        }
        let files = Dictionary(uniqueKeysWithValues: ["a", "b"].map { ($0 + kind.ending, kind.program) })
        let results = try await InterpreterTrial.run(lines.map { .init(files: files, command: [kind.path] + $0) })
        var told = 0
        for (words, ran) in zip(lines, results) {
            switch Interpreter.read(executable: kind.path, arguments: [kind.path] + words) {
            case .script(.file(let file)):
                #expect(ran == nil || ran == file, "\(kind) \(words): read \(file), ran \(ran ?? "nothing")")
                told += ran == file ? 1 : 0
            case .nothing: #expect(ran == nil, "\(kind) \(words): read nothing, ran \(ran ?? "")")
            case .script(.pythonModule), .undecidable: continue
            }
        }
        #expect(told > 20, "\(kind): of so few command lines it was told which script runs")
    }

    /// Each option, with a value behind `=` where it takes one, and together with each flag.
    private static func lines(of kind: Kind) -> [[String]] {
        let grammar = kind.grammar
        let flags = grammar.flags.subtracting(kind.leftOut).map(\.text).sorted()
        let sets = [
            grammar.withValue, grammar.withRest, grammar.withEquals, grammar.lastLetters, grammar.withDigits,
            grammar.code,
            grammar.module,
        ]
        let others = Set(sets.joined()).subtracting(kind.leftOut).map(\.text).sorted()
        let scripts = ["a", "b"].map { $0 + kind.ending }
        var lines: [[String]] = [scripts, ["--"] + scripts, ["-"] + scripts]
        lines += others.map { [$0] + scripts }
        // Where letters stand alone some at once: such an interpreter takes a third of a second to start.
        let together = grammar.joinsLetters ? 1 : 8
        lines += stride(from: 0, to: flags.count, by: together).map { Array(flags[$0...].prefix(together)) + scripts }
        guard grammar.joinsLetters else { return lines }
        lines += others.filter { $0.hasPrefix("--") }.map { ["\($0)=1"] + scripts }
        for other in others where other.utf8.count == 2 {
            lines.append([other + "0"] + scripts)
            for flag in flags where flag.utf8.count == 2 && flag.first == other.first {
                lines.append([flag + other.dropFirst()] + scripts)
            }
        }
        return lines
    }
}
