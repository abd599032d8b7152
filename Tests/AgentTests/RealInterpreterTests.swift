import Foundation
import Testing

@testable import Workloads

/// Held against the interpreters of this machine: each option, alone and beside others, before two scripts. What is read off the
/// command line has to be what ran.
@Suite("Real interpreters") struct RealInterpreterTests {
    struct Kind: Sendable, CustomStringConvertible {
        /// As it is called; what it leads to is executed.
        let name: String
        let grammar: Interpreter.Grammar
        let ending: String
        /// Says which file runs, and ends.
        let program: String
        /// With these it waits for somebody, or needs what a test does not have.
        var leftOut: Set<Interpreter.Word> = []
        /// Standard input: a program that says ``onInput`` ran.
        var input = ""
        /// Of at least so many command lines it is told which script runs.
        var told = 20

        static let onInput = "standard input"

        /// - Parameter name: of a shell.
        static func shell(_ name: String, like family: Interpreter.Word) -> Kind {
            Kind(
                name: name, grammar: Interpreter.Grammar.families[family] ?? .init(), ending: ".sh",
                program: "echo \"RAN $0\"; exit 0\n", input: "echo 'RAN \(onInput)'; exit 0\n")
        }

        var path: String { URL(filePath: "/usr/bin/\(name)").resolvingSymlinksInPath().path }
        var description: String { name }
    }

    /// Those of the families that Debian has in packages of a few megabytes: scripts/build installs them for the tests. Java is
    /// not among them, nor are R, Deno and Bun: what the tables have of those is their manuals' word.
    private static let kinds = [
        Kind(
            name: "python3", grammar: .families["python"] ?? .init(), ending: ".py",
            program: "import os, sys\nos.write(1, b'RAN ' + sys.argv[0].encode() + b'\\n')\nos._exit(0)\n"),
        Kind(
            name: "perl", grammar: .families["perl"] ?? .init(), ending: ".pl",
            program: "use POSIX (); POSIX::write(1, \"RAN $0\\n\", length($0) + 5); POSIX::_exit(0);\n"),
        .shell("bash", like: "bash"),
        .shell("dash", like: "dash"),
        .shell("zsh", like: "zsh"),
        .shell("ksh93", like: "ksh"),
        .shell("mksh", like: "mksh"),
        Kind(
            name: "node", grammar: .node, ending: ".js",
            program: "require('fs').writeSync(1, 'RAN ' + __filename + '\\n'); process.reallyExit(0);\n",
            leftOut: ["--inspect-brk", "--inspect-wait"]),
        // Runs before the lines that `-n` and `-p` wait for.
        Kind(
            name: "ruby", grammar: .families["ruby"] ?? .init(), ending: ".rb",
            program: "BEGIN { $stdout.syswrite(\"RAN #{__FILE__}\\n\"); exit! }\n"),
        Kind(
            name: "php", grammar: .families["php"] ?? .init(), ending: ".php",
            program: "<?php file_put_contents('php://stdout', 'RAN ' . __FILE__ . \"\\n\"); exit(0);\n"),
        Kind(
            name: "lua5.4", grammar: .families["lua"] ?? .init(), ending: ".lua",
            program: "io.write('RAN ' .. arg[0] .. '\\n') os.exit(0)\n", told: 3),
        Kind(
            name: "luajit", grammar: .families["luajit"] ?? .init(), ending: ".lua",
            program: "io.write('RAN ' .. arg[0] .. '\\n') os.exit(0)\n", told: 2),
    ]

    @Test func `all that are asked are here`() {
        let missing = Self.kinds.filter { !FileManager.default.isExecutableFile(atPath: $0.path) }.map(\.name)
        #expect(missing == [], "scripts/build --build-tests installs them")
    }

    @Test(arguments: kinds)
    func `what is read off a command line is what runs`(_ kind: Kind) async throws {
        let lines = (try Self.lines(of: kind) + Self.namedOptions(of: kind)).filter { words in
            if case .undecidable = Interpreter.read(executable: kind.path, arguments: [kind.path] + words) {
                return false
            }
            return true
        }
        let files = Dictionary(uniqueKeysWithValues: ["a", "b"].map { ($0 + kind.ending, kind.program) })
        let results = try await InterpreterTrial.run(
            lines.map { .init(files: files, command: [kind.path] + $0, input: kind.input) })
        var told = 0
        for (words, ran) in zip(lines, results) {
            switch Interpreter.read(executable: kind.path, arguments: [kind.path] + words) {
            case .script(.file(let file)):
                #expect(ran == nil || ran == file, "\(kind) \(words): read \(file), ran \(ran ?? "nothing")")
                told += ran == file ? 1 : 0
            case .nothing:
                #expect(ran == nil || ran == Kind.onInput, "\(kind) \(words): read nothing, ran \(ran ?? "")")
            case .script(.pythonModule), .undecidable: continue
            }
        }
        #expect(told >= kind.told, "\(kind): of so few command lines it was told which script runs")
    }

    /// `-o NAME` with each name that a shell has itself.
    private static func namedOptions(of kind: Kind) throws -> [[String]] {
        guard !kind.input.isEmpty else { return [] }
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(filePath: kind.path)
        process.arguments = ["-c", "set -o"]
        process.standardOutput = output
        try process.run()
        let text = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        let names = text.split { $0 == "\n" || $0 == " " || $0 == "\t" }.map(String.init).filter {
            $0 != "on" && $0 != "off"
        }
        #expect(names.count > 10, "\(kind) has named none")
        return names.flatMap { name in ["-o", "+o"].map { [$0, name, "a" + kind.ending, "b" + kind.ending] } }
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
