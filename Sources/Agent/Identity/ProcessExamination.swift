import Dispatch
import Foundation
import Kernel
import Workloads

/// What user space found for one key of a process.
enum Finding: Sendable, Equatable {
    case text(String)
    case texts([String])
    /// There is none.
    case absent
    /// - Parameter isLasting: asking again would give the same answer.
    case unknown(String, isLasting: Bool)

    var isLasting: Bool { if case .unknown(_, isLasting: false) = self { false } else { true } }
}

/// Looks at the files one image of a process runs.
struct ProcessExamination: Sendable {
    let facts: ProcessFacts
    /// Of the exec by which it runs what it runs; nil: nothing is known of them.
    var surroundings: Execution.Surroundings?
    /// In whose share of threads and of reading it is.
    let payer: UInt32
    let hasher: FileHasher
    let interpreters: KnownInterpreters
    /// Asked before each read of a file: whether the process is still there.
    var isWanted: @Sendable () -> Bool = { true }

    /// Files, opened at one moment; who asked sees after it that the process still is the same image.
    struct Opened: Sendable {
        var executable: Result<OpenFile, FileError>?
        var script: Result<FoundScript?, ScriptDoubt>?
        /// Why none of them was.
        var refusal: String?
    }

    /// What is opened, at all.
    static let files: Set<SelectorKey> = [.binaryHash, .scriptPath, .scriptHash]

    private static let threads = FileThreads()

    /// File systems can take their time, so not on a thread of the cooperative pool; one that does not answer is not waited
    /// for without end.
    func open(_ keys: Set<SelectorKey>) async -> Opened {
        guard !keys.isDisjoint(with: Self.files) else { return Opened() }
        do {
            return try await Self.threads.run(for: payer) { openNow(keys) }
        } catch {
            return Opened(refusal: "\(error)")
        }
    }

    private func openNow(_ keys: Set<SelectorKey>) -> Opened {
        let files = ProcessFiles(of: facts.key.pid)
        var opened = Opened()
        if keys.contains(.binaryHash) {
            opened.executable = Result { () throws(FileError) in try files.executable(facts.executable) }
        }
        if keys.contains(.scriptPath) || keys.contains(.scriptHash) {
            opened.script = Result { () throws(ScriptDoubt) in
                try FoundScript.of(facts, since: surroundings, interpreters: interpreters)
            }
        }
        return opened
    }

    func findings(_ keys: Set<SelectorKey>, _ opened: Opened) async -> [SelectorKey: Finding] {
        var findings: [SelectorKey: Finding] = [:]
        if let refusal = opened.refusal {
            for key in keys.intersection(Self.files) { findings[key] = .unknown(refusal, isLasting: false) }
            return findings
        }
        if let executable = opened.executable { findings[.binaryHash] = await hash(executable) }
        switch opened.script {
        case nil: break
        case .success(nil):
            findings[.scriptPath] = .absent
            findings[.scriptHash] = .absent
        case .success(let script?):
            findings[.scriptPath] = .text(script.found.path)
            guard keys.contains(.scriptHash) else { break }
            let hash = await hash(.success(script.found.file))
            findings[.scriptHash] = await doubt(about: script) ?? hash
        case .failure(let error):
            findings[.scriptPath] = .unknown("\(error)", isLasting: error.isLasting)
            findings[.scriptHash] = findings[.scriptPath]
        }
        return findings
    }

    /// Whether the process, as it was when it was looked at first, would find the same file now. Where somebody puts files in each other's place,
    /// which of them the interpreter has opened cannot be told.
    private func doubt(about script: FoundScript) async -> Finding? {
        do {
            let now = try await Self.threads.run(for: payer) {
                Result { () throws(ScriptDoubt) in try script.again() }
            }.get().file.version()
            let before = try script.found.file.version()
            return now.device == before.device && now.inode == before.inode ? nil : .replaced(script)
        } catch {
            // No other file was seen.
            return .unknown("\(script.found.path) could not be looked at again: \(error)", isLasting: false)
        }
    }

    private func hash(_ file: Result<OpenFile, FileError>) async -> Finding {
        do { return .text(try await hasher.hash(of: file.get(), for: payer, while: isWanted)) } catch let
            error as FileError
        {
            return .unknown("\(error)", isLasting: error.isLasting)
        } catch let error as FileHashError {
            return .unknown("\(error)", isLasting: error.isLasting)
        } catch {
            return .unknown("\(error)", isLasting: false)
        }
    }
}

extension Finding {
    fileprivate static func replaced(_ script: FoundScript) -> Finding {
        .unknown(
            "another file came to \(script.found.path) while it was looked at, and which of them runs is not known; "
                + "restart the program", isLasting: true)
    }
}

extension FileHashError {
    fileprivate var isLasting: Bool {
        switch self {
        case .tooLarge, .sparse: true
        case .changed, .tooMany, .notWanted: false
        }
    }
}

extension ScriptDoubt {
    /// What is not found now may have been there when the program was executed: that is no answer, as the process may be
    /// somebody.
    fileprivate var isLasting: Bool {
        switch self {
        case .changed, .file(.moved), .file(.workingDirectoryUnknown): false
        case .file(.refused(_, let code)) where [ENOENT, ENOTDIR, EACCES].contains(code): false
        case .file(let error): error.isLasting
        case .interpreter, .commandLine, .module: true
        }
    }
}

extension FileError {
    /// Want of descriptors or memory passes, and so does trouble with a disk. What /proc does not show is no file that is
    /// missing: a thread that was asked has ended, and another one is asked the next time.
    fileprivate var isLasting: Bool {
        switch self {
        case .refused(let path, let code):
            !path.hasPrefix("/proc/") && [ENOENT, ENOTDIR, EACCES, ELOOP, ENAMETOOLONG].contains(code)
        case .threadRefused, .rightsRefused: false
        default: true
        }
    }
}

extension ProcessFacts {
    /// With what user space found.
    func adding(_ findings: [SelectorKey: Finding]) -> ProcessFacts {
        var facts = self
        for (key, finding) in findings { facts.add(finding, for: key) }
        // A hash of a script without its path is as good.
        if case .text(let hash)? = findings[.scriptHash] {
            facts.script = Script(path: facts.script?.path ?? "", hash: hash)
        }
        return facts
    }

    private mutating func add(_ finding: Finding, for key: SelectorKey) {
        switch (key, finding) {
        case (.binaryHash, .text(let hash)): executable.hash = hash
        case (.scriptPath, .text(let path)): script = Script(path: path, hash: script?.hash)
        case (.scriptPath, .absent): script = nil
        case (.scriptPath, .unknown): script = Script(path: "")
        case (.parent, .text(let identity)): parentIdentity = identity
        case (.ancestor, .texts(let identities)): ancestorIdentities = identities
        default: break
        }
    }

    /// As it was when it ran by these numbers.
    func running(as ids: ProcessIDs) -> ProcessFacts {
        var facts = self
        facts.userID = ids.effectiveUserID
        facts.realUserID = ids.realUserID
        facts.groupID = ids.effectiveGroupID
        facts.realGroupID = ids.realGroupID
        return facts
    }
}
