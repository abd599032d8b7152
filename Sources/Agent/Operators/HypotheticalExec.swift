package import ControlPlaneAPI
import Crypto
import Foundation
import Kernel
import Limits
package import Workloads

/// What execvp(3) would make of a command, found out without executing it.
package struct HypotheticalExec: Sendable {
    package let facts: ProcessFacts
    /// How the command became that, for reading.
    package let steps: [String]

    /// The kernel's own limit: `#!` leads to a file that begins with `#!` itself, and so on.
    package static let maximumInterpreters = Limits.Selectors.interpreters

    /// - Throws: `command_missing`, `program_not_found`, `program_not_executable`, `interpreter_unusable`.
    package init(_ question: ExecQuestion, interpreters: KnownInterpreters = KnownInterpreters()) throws(Problem) {
        let caller = Caller(question)
        let found = try ProgramSearch(caller).find(question.command)
        var image = ExecImage(file: found, arguments: question.command)
        try image.followInterpreters(for: caller)
        var facts = Self.facts(of: image, caller, question)
        let script = HypotheticalScript(of: image, facts, caller, interpreters)
        facts.script = script.script
        steps = image.steps + Self.remarks(question) + (script.doubt.map { ["its script cannot be told: \($0)"] } ?? [])
        self.facts = facts
    }

    private static func facts(of image: ExecImage, _ caller: Caller, _ question: ExecQuestion) -> ProcessFacts {
        let path = FileOnDisk.real(caller.absolute(image.file))
        let status = FileOnDisk(path)
        return ProcessFacts(
            key: ProcessKey(pid: 0, startTime: 0),
            userID: status?.userID(for: caller.userID) ?? caller.userID, realUserID: caller.userID,
            groupID: status?.groupID(for: caller.groupID) ?? caller.groupID, realGroupID: caller.groupID,
            additionalGroupIDs: Array(question.additionalGroupIDs.prefix(ProcessFacts.maximumAdditionalGroups)),
            additionalGroupsTruncated: question.additionalGroupIDs.count > ProcessFacts.maximumAdditionalGroups,
            name: image.name, arguments: KeptArguments(image.arguments).words,
            argumentsTruncated: KeptArguments(image.arguments).isCut,
            executable: .init(
                path: path, device: status?.device ?? 0, inode: status?.inode ?? 0, hash: FileOnDisk.hash(path)),
            cgroup: question.cgroup,
            hidesProcesses: HidingRuntime(executable: path) != nil,
        )
    }

    private static func remarks(_ question: ExecQuestion) -> [String] {
        let own = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/mnt")
        guard let theirs = question.mountNamespace, let own, theirs != own else { return [] }
        return ["looked up as the agent sees the file system; this shell is in another mount namespace"]
    }
}

/// The script a command would run, told as for a process that runs.
private struct HypotheticalScript {
    private(set) var script: ProcessFacts.Script?
    private(set) var doubt: ScriptDoubt?

    init(of image: ExecImage, _ facts: ProcessFacts, _ caller: Caller, _ interpreters: KnownInterpreters) {
        let reading = Interpreter.read(
            executable: facts.executable.path, arguments: image.arguments, shebang: image.script)
        if reading == .nothing { return }
        do throws(ScriptDoubt) {
            if let doubt = interpreters.doubt(aboutFileAt: facts.executable.path) { throw doubt }
            let path = try Self.path(reading, facts, caller)
            try Self.check(path, reading, facts, isShebang: image.script != nil)
            // It would fail to start where there is none; what it names is told all the same.
            script = .init(path: FileOnDisk.real(path), hash: FileOnDisk.hash(path))
        } catch {
            script = .init(path: "")
            doubt = error
        }
    }

    private static func check(
        _ path: String, _ reading: Interpreter.Reading, _ facts: ProcessFacts, isShebang: Bool,
    ) throws(ScriptDoubt) {
        guard case .script(let script) = reading else { return }
        let found: FoundFile
        do throws(FileError) { found = try ProcessFiles.own.file(at: path) } catch { throw .file(error) }
        try found.check(as: script, executable: facts.executable.path, isShebang: isShebang, .own)
    }

    private static func path(
        _ reading: Interpreter.Reading, _ facts: ProcessFacts, _ caller: Caller,
    ) throws(ScriptDoubt) -> String {
        let found: PythonModule.Place
        switch reading {
        case .script(.pythonModule(let name, let fromFolder)):
            let module = PythonModule(name, of: facts, fromFolder: fromFolder)
            do throws(FileError) { found = try module.place { FileOnDisk(caller.absolute($0))?.kind } } catch {
                throw .file(error)
            }
        case .script(.file(let path)): found = .file(path)
        case .undecidable(let doubt): throw .commandLine(doubt)
        case .nothing: found = .file("")
        }
        switch found {
        case .doubt(let doubt): throw .module(doubt)
        case .file(let path):
            guard FileOnDisk(caller.absolute(path))?.isRegular == true else {
                throw .file(.notRegular(path: caller.absolute(path)))
            }
            return caller.absolute(path)
        }
    }
}

/// Who would execute it, and where.
struct Caller: Sendable {
    let userID: UInt32
    let groupID: UInt32
    let groups: [UInt32]
    let workingDirectory: String
    let searchPath: String

    init(_ question: ExecQuestion) {
        userID = question.userID
        groupID = question.groupID
        groups = question.additionalGroupIDs
        workingDirectory = question.workingDirectory
        // Without PATH the C library searches these.
        searchPath = question.searchPath ?? "/bin:/usr/bin"
    }

    func absolute(_ path: String) -> String {
        guard path.utf8.first != UInt8(ascii: "/") else { return path }
        return workingDirectory + (workingDirectory.hasSuffix("/") ? "" : "/") + path
    }
}

/// argv as far as the kernel part keeps it.
private struct KeptArguments {
    private(set) var words: [String] = []
    private(set) var isCut = false
    /// Each word with its NUL; PROCESS_ARGV_LEN of the kernel part.
    private static let maximum = Limits.Selectors.argvBytes

    init(_ arguments: [String]) {
        var left = Self.maximum
        for word in arguments {
            guard left > 0 else {
                isCut = true
                return
            }
            guard word.namedBytes.count < left else {
                words.append(String(naming: word.namedBytes.prefix(left)))
                isCut = true
                return
            }
            words.append(word)
            left -= word.namedBytes.count + 1
        }
    }
}
