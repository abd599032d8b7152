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
    let hasher: FileHasher

    /// Files, opened at one moment; who asked sees after it that the process still is the same image.
    struct Opened: Sendable {
        var executable: Result<OpenFile, KernelError>?
        var script: Result<FoundScript?, KernelError>?
    }

    private static let queue = DispatchQueue(label: "tidemark.open", attributes: .concurrent)

    /// File systems can take their time, so not on a thread of the cooperative pool.
    func open(_ keys: Set<SelectorKey>) async -> Opened {
        await withCheckedContinuation { continuation in
            Self.queue.async { continuation.resume(returning: openNow(keys)) }
        }
    }

    private func openNow(_ keys: Set<SelectorKey>) -> Opened {
        let files = ProcessFiles(of: facts.key.pid)
        var opened = Opened()
        if keys.contains(.binaryHash) {
            opened.executable = Result { () throws(KernelError) in try files.executable(facts.executable) }
        }
        if keys.contains(.scriptPath) || keys.contains(.scriptHash) {
            opened.script = Result { () throws(KernelError) in try FoundScript.of(facts, files) }
        }
        return opened
    }

    func findings(_ keys: Set<SelectorKey>, _ opened: Opened) async -> [SelectorKey: Finding] {
        var findings: [SelectorKey: Finding] = [:]
        if let executable = opened.executable { findings[.binaryHash] = await hash(executable) }
        switch opened.script {
        case nil: break
        case .success(nil):
            findings[.scriptPath] = .absent
            findings[.scriptHash] = .absent
        case .success(let script?):
            findings[.scriptPath] = .text(script.path)
            if keys.contains(.scriptHash) { findings[.scriptHash] = await hash(.success(script.file)) }
        case .failure(let error):
            findings[.scriptPath] = .unknown("\(error)", isLasting: error.isLasting)
            findings[.scriptHash] = findings[.scriptPath]
        }
        return findings
    }

    private func hash(_ file: Result<OpenFile, KernelError>) async -> Finding {
        do { return .text(try await hasher.hash(of: file.get())) } catch let error as KernelError {
            return .unknown("\(error)", isLasting: error.isLasting)
        } catch let error as FileHashError {
            return .unknown("\(error)", isLasting: error.isLasting)
        } catch {
            return .unknown("\(error)", isLasting: false)
        }
    }
}

extension FileHashError {
    fileprivate var isLasting: Bool { if case .tooLarge = self { true } else { false } }
}

extension KernelError {
    /// Want of descriptors or memory passes, and so does trouble with a disk.
    fileprivate var isLasting: Bool {
        if case .fileRefused(_, let code) = self {
            [ENOENT, ENOTDIR, EACCES, ELOOP, ENAMETOOLONG].contains(code)
        } else {
            true
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
