import Kernel
import Workloads

/// The file an interpreter runs, found as the interpreter finds it.
struct FoundScript: Sendable {
    /// Its path is absolute, as the process sees it, without symbolic links.
    let found: FoundFile
    /// For looking again.
    private let view: HeldView
    private let script: Interpreter.Script
    private let facts: ProcessFacts

    /// - Parameter surroundings: of the exec by which it runs that script; nil: nothing is known of them.
    /// - Returns: nil where the process runs no script.
    static func of(
        _ facts: ProcessFacts, since surroundings: Execution.Surroundings? = nil, interpreters: KnownInterpreters,
    ) throws(ScriptDoubt) -> FoundScript? {
        let files = ProcessFiles(of: facts.key.pid, since: surroundings)
        let reading = Interpreter.read(
            executable: facts.executable.path, arguments: facts.arguments, isCut: facts.argumentsTruncated,
            shebang: facts.script?.path,
        )
        if reading == .nothing { return nil }
        if let doubt = interpreters.doubt(about: facts.executable, files) { throw doubt }
        guard case .script(let script) = reading else {
            if case .undecidable(let doubt) = reading { throw .commandLine(doubt) }
            return nil
        }
        let view: HeldView
        do throws(FileError) { view = try files.held() } catch { throw .file(error) }
        let found = try FoundScript(of: script, facts, view)
        try found.found.check(
            as: script, executable: facts.executable.path, isShebang: facts.script != nil, files)
        try found.requireUnchanged(since: surroundings)
        return found
    }

    private init(of script: Interpreter.Script, _ facts: ProcessFacts, _ view: HeldView) throws(ScriptDoubt) {
        self.script = script
        self.facts = facts
        self.view = view
        found = try Self.file(of: script, facts, view)
    }

    /// What stands at its name by now, for the process as it was when it was looked at first.
    func again() throws(ScriptDoubt) -> FoundFile { try Self.file(of: script, facts, view) }

    /// What a deployment put there later is not what runs.
    private func requireUnchanged(since surroundings: Execution.Surroundings?) throws(ScriptDoubt) {
        guard let surroundings else { return }
        let version: OpenFile.Version
        do throws(FileError) { version = try found.file.version() } catch { throw .file(error) }
        guard surroundings.precede(version) else { throw .changed(found.path) }
    }

    private static func file(
        of script: Interpreter.Script, _ facts: ProcessFacts, _ view: HeldView,
    ) throws(ScriptDoubt) -> FoundFile {
        let result: Result<FoundFile, ScriptDoubt>
        do throws(FileError) {
            result = try view.look { (view) throws(FileError) in
                switch script {
                case .file(let path): .success(try view.file(at: path))
                case .pythonModule(let name, let fromFolder):
                    switch try PythonModule(name, of: facts, fromFolder: fromFolder).place(view.kind) {
                    case .file(let path): .success(try view.file(at: path))
                    case .doubt(let doubt): .failure(.module(doubt))
                    }
                }
            }
        } catch { throw .file(error) }
        return try result.get()
    }
}

extension FoundFile {
    /// Whether what stands in it, and around it, says that this is what runs.
    ///
    /// - Parameter isShebang: the kernel was asked to execute the file itself.
    func check(
        as script: Interpreter.Script, executable: String, isShebang: Bool, _ files: ProcessFiles,
    ) throws(ScriptDoubt) {
        let doubt: ScriptDoubt?
        do throws(FileError) {
            switch script {
            case .file:
                let head = try file.read(upTo: Interpreter.firstLineBytes, at: 0)
                doubt = Interpreter.doubt(aboutFirstLine: head, executable: executable, isShebang: isShebang)
                    .map { .commandLine($0) }
            case .pythonModule:
                // What runs is the compiled code beside it, wherever there is some that Python takes for the same.
                doubt = try files.standings(to: path).first { !$0.isRootsAlone }
                    .map { .module(.writable(path, place: $0.path)) }
            }
        } catch { throw .file(error) }
        if let doubt { throw doubt }
    }
}

/// Why it cannot be told which script a process runs.
enum ScriptDoubt: Error, Equatable, CustomStringConvertible {
    case interpreter(InterpreterDoubt)
    case commandLine(Interpreter.Doubt)
    case module(PythonModule.Doubt)
    case file(FileError)
    /// Written, or put there, later than the exec.
    case changed(String)

    var description: String {
        switch self {
        case .interpreter(let doubt): "\(doubt)"
        case .commandLine(let doubt): "\(doubt)"
        case .module(let doubt): "\(doubt)"
        case .file(let error): "\(error)"
        case .changed(let path):
            "\(path) was changed, or put there, after the program had been executed, and it was not looked at before; restart "
                + "the program"
        }
    }
}
