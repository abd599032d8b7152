import ControlPlaneAPI
import Kernel
import Limits
import Workloads

/// What an exec makes of a file: the file that runs in the end, with the argv the kernel gives it.
struct ExecImage {
    var file: String
    var arguments: [String]
    /// As of exec: of the file that was to be executed, whatever interprets it.
    let name: String
    /// The file the kernel was asked for, where that begins with `#!`.
    private(set) var script: String?
    private(set) var steps: [String]

    init(file: String, arguments: [String]) {
        self.file = file
        self.arguments = arguments
        name = Self.name(of: file)
        steps = ["\(arguments.first ?? file) is \(file)"]
    }

    /// The kernel's task name: of the last path component 15 bytes.
    private static func name(of file: String) -> String {
        let last = file.namedBytes.split(separator: UInt8(ascii: "/")).last.map { Array($0) } ?? []
        return String(naming: last.prefix(Selector.maximumNameBytes))
    }
}

extension ExecImage {
    mutating func followInterpreters(for caller: Caller) throws(Problem) {
        for depth in 0... {
            switch Shebang.read(caller.absolute(file)) {
            case .binary: return
            case .neither:
                // The kernel refuses it; execvp(3) has the shell read it, which is then what is executed.
                guard depth == 0 else { throw Self.unusable(file, "it is neither a program nor a script") }
                self = ExecImage(file: "/bin/sh", arguments: ["/bin/sh", file] + arguments.dropFirst(), after: steps)
            case .interpreter(let interpreter, let argument):
                guard depth < HypotheticalExec.maximumInterpreters else {
                    throw Self.unusable(file, "more than \(depth) interpreters follow each other")
                }
                try follow(interpreter, argument, for: caller)
            }
        }
    }

    private init(file: String, arguments: [String], after steps: [String]) {
        self.init(file: file, arguments: arguments)
        self.steps = steps + ["neither a program nor a script with #!: execvp runs /bin/sh on it"]
    }

    private mutating func follow(_ interpreter: String, _ argument: String?, for caller: Caller) throws(Problem) {
        let line = "#!\(interpreter)\(argument.map { " \($0)" } ?? "")"
        guard let status = FileOnDisk(caller.absolute(interpreter)) else {
            throw Self.unusable(file, "it begins with \(line), and there is no \(interpreter)")
        }
        guard status.isRegular, status.canBeExecuted(by: caller) else {
            throw Self.unusable(file, "it begins with \(line), which \(status.objection(to: caller))")
        }
        if script == nil { script = file }
        arguments = [interpreter] + (argument.map { [$0] } ?? []) + [file] + arguments.dropFirst()
        steps.append("\(file) begins with \(line)")
        file = interpreter
    }

    private static func unusable(_ file: String, _ reason: String) -> Problem {
        Problem(
            .interpreterUnusable,
            message: "\(file) cannot be executed: \(reason); correct its first line, or name the interpreter yourself",
        )
    }
}

/// How a file begins.
enum Shebang: Equatable {
    case binary
    case interpreter(String, argument: String?)
    /// The kernel says ENOEXEC.
    case neither

    /// BINPRM_BUF_SIZE: the kernel looks no further.
    static let bytes = Limits.Selectors.firstLineBytes

    static func read(_ path: String) -> Shebang {
        guard let file = try? OpenFile(path: path), let start = try? file.read(upTo: bytes, at: 0) else {
            return .neither
        }
        return Shebang(start)
    }

    /// - Parameter start: at most ``bytes`` of the file. Read as load_script() of the kernel does.
    init(_ start: [UInt8]) {
        self = start.starts(with: [0x7f, 0x45, 0x4c, 0x46]) ? .binary : .neither
        guard start.starts(with: Array("#!".utf8)) else { return }
        // The last byte that is read can only end the line.
        let line = start.prefix(Self.bytes - 1).dropFirst(2).prefix { !Self.isEnd($0) }
        let next = 2 + line.count
        let isWhole = next >= start.count || Self.isEnd(start[next]) || Self.isBlank(start[next])
        let words = line.split(maxSplits: 1, omittingEmptySubsequences: true, whereSeparator: Self.isBlank)
        guard let interpreter = words.first else { return }
        // The name of an interpreter that may go on is not guessed at.
        guard isWhole || interpreter.endIndex < line.endIndex else { return }
        let rest = words.dropFirst().first.map(Self.trimmed) ?? []
        self = .interpreter(
            String(naming: interpreter), argument: rest.isEmpty ? nil : String(naming: rest))
    }

    private static func isEnd(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "\n") || byte == 0 }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

    private static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let start = bytes.drop(while: isBlank)
        return start.prefix(start.count - start.reversed().prefix(while: isBlank).count)
    }
}
