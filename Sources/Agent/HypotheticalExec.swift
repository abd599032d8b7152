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
            script: script(of: image, executable: path, caller), cgroup: question.cgroup,
        )
    }

    private static func script(of image: ExecImage, executable: String, _ caller: Caller) -> ProcessFacts.Script? {
        let found = Interpreter.script(
            executable: executable, arguments: image.arguments, shebang: image.script)
        guard let path = found.flatMap({ caller.path(of: $0) }) else { return nil }
        return .init(path: path, hash: FileOnDisk.hash(path))
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

    /// nil for a module that is not found below the working directory.
    func path(of script: Interpreter.Script) -> String? {
        switch script {
        case .file(let path): return FileOnDisk.real(absolute(path))
        case .pythonModule(let module):
            let place = module.replacingOccurrences(of: ".", with: "/")
            let choices = ["\(place)/__main__.py", "\(place).py"].map(absolute)
            return choices.first { FileOnDisk($0)?.isRegular == true }.map(FileOnDisk.real)
        }
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
