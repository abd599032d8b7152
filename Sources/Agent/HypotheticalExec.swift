package import ControlPlaneAPI
import Crypto
import Foundation
package import Workloads

/// What execvp(3) would make of a command, found out without executing it.
package struct HypotheticalExec: Sendable {
    package let facts: ProcessFacts
    /// How the command became that, for reading.
    package let steps: [String]

    /// The kernel's own limit: `#!` leads to a file that begins with `#!` itself, and so on.
    package static let maximumInterpreters = 5
    /// What is hashed; of longer files the hash stays unknown.
    static let maximumHashedBytes: Int64 = 1 << 30

    /// - Throws: `command_missing`, `program_not_found`, `program_not_executable`, `interpreter_unusable`.
    package init(_ question: ExecQuestion) throws(Problem) {
        let caller = Caller(question)
        let found = try ProgramSearch(caller).find(question.command)
        var image = ExecImage(file: found, arguments: question.command)
        try image.followInterpreters(for: caller)
        steps = image.steps + Self.remarks(question)
        facts = Self.facts(of: image, caller, question)
    }

    private static func facts(of image: ExecImage, _ caller: Caller, _ question: ExecQuestion) -> ProcessFacts {
        let path = FileOnDisk.real(image.file)
        let status = FileOnDisk(path)
        var facts = ProcessFacts(
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
        )
        facts.script = script(of: image, facts, caller)
        return facts
    }

    private static func script(
        of image: ExecImage, _ facts: ProcessFacts, _ caller: Caller,
    ) -> ProcessFacts.Script? {
        let found = Interpreter.script(
            executable: facts.executable.path, arguments: image.arguments, shebang: image.script)
        let places: [String] =
            switch found {
            case nil: []
            case .file(let path)?: [path]
            case .pythonModule(let name)?: PythonModule(name, of: facts).places
            }
        guard let path = places.map(caller.absolute).first(where: { FileOnDisk($0)?.isRegular == true }) else {
            // It would fail to start; what it names is told all the same.
            return found == nil ? nil : .init(path: "")
        }
        return .init(path: FileOnDisk.real(path), hash: FileOnDisk.hash(path))
    }

    private static func remarks(_ question: ExecQuestion) -> [String] {
        let own = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/mnt")
        guard let theirs = question.mountNamespace, let own, theirs != own else { return [] }
        return ["looked up as the agent sees the file system; this shell is in another mount namespace"]
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
        guard !path.hasPrefix("/") else { return path }
        return workingDirectory + (workingDirectory.hasSuffix("/") ? "" : "/") + path
    }
}

/// argv as far as the kernel part keeps it.
private struct KeptArguments {
    private(set) var words: [String] = []
    private(set) var isCut = false
    /// Each word with its NUL; PROCESS_ARGV_LEN of the kernel part.
    private static let maximum = 1024

    init(_ arguments: [String]) {
        var left = Self.maximum
        for word in arguments {
            guard left > 0 else {
                isCut = true
                return
            }
            guard word.utf8.count < left else {
                words.append(String(decoding: word.utf8.prefix(left), as: UTF8.self))
                isCut = true
                return
            }
            words.append(word)
            left -= word.utf8.count + 1
        }
    }
}
