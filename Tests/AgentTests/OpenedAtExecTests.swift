import Crypto
import Foundation
import SPIFFE
import Testing
import Workloads

@testable import Agent
@testable import Kernel

/// Between the exec of a program and the end of what is read of its files.
@Suite("Files opened at exec") struct OpenedAtExecTests {
    private let book = ProcessBook()
    private let hasher = FileHasher(now: { .sinceEpoch + .seconds(60) })
    private let attestor: Attestor

    init() { attestor = Attestor(kernel: book, hasher: hasher) }

    private func slot(_ workloadID: WorkloadName, _ conditions: [SelectorKey: Condition]) -> SelectorProgram.Slot {
        SelectorProgram.Slot(selector: Selector(conditions: conditions), workloadID: workloadID)
    }

    private func text(_ text: String) -> Condition { Condition(anyOf: [.text(text)]) }

    private func install(_ slots: SelectorProgram.Slot...) async throws {
        try await attestor.install(Matcher(program: SelectorProgram(slots: slots)), handles: [:])
    }

    private func hash(_ text: String) -> String {
        SHA256.hash(data: Data(text.utf8)).map { String(format: "%02x", $0) }.joined()
    }

    private func start(
        _ arguments: [String], files: [String: String], shebang: String? = nil, isRootsAlone: Bool = false,
    ) throws -> RunningScript {
        let script = try RunningScript(arguments, files: files, shebang: shebang, isRootsAlone: isRootsAlone)
        book.add(script.facts)
        return script
    }

    private func expectUndecidable(_ process: ProcessKey) async {
        let error = await #expect(throws: AttestorError.self) { try await attestor.identify(process) }
        guard case .undecidable? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(book.answers.isEmpty)
    }

    /// Who is behind others with hashing has time to put a trusted file in the place of what runs.
    @Test(.asRoot) func `what is hashed is what was there at exec, and a file put in its place is noticed`()
        async throws
    {
        let script = try start(["x.py"], files: ["x.py": RunningScript.waiting, "trusted.py": "trusted\n"])
        try await install(slot("agent", [.scriptHash: text(hash("trusted\n"))]))
        await attestor.open(script.facts.key)
        let folder = script.folder.path()
        #expect(rename(folder + "/trusted.py", folder + "/x.py") == 0)
        let found = try #require(await attestor.complete(pid: script.facts.key.pid))
        #expect(found.gaps[.scriptHash]?.contains("another file came to \(folder)/x.py") == true)
        #expect(await attestor.decide(script.facts.key)?.workloadID == nil)
        #expect(book.answers == [script.image: []])
    }

    /// Python is hashed first, which takes a while.
    @Test(.asRoot) func `who goes elsewhere and gives up root while it is looked at is what it was`() async throws {
        let script = try start(["x.py"], files: ["x.py": RunningScript.leaving])
        try await install(slot("agent", [.scriptHash: text(hash(RunningScript.leaving))]))
        await attestor.open(script.facts.key)
        try script.leave()
        try script.closeTheWay()
        #expect(await attestor.decide(script.facts.key)?.workloadID == "agent")
    }

    @Test(.asRoot) func `a file that is gone while it is looked at is no other file`() async throws {
        let script = try start(["x.py"], files: ["x.py": RunningScript.waiting])
        try await install(slot("agent", [.scriptHash: text(hash(RunningScript.waiting))]))
        await attestor.open(script.facts.key)
        try FileManager.default.removeItem(at: script.folder.appending(path: "x.py"))
        await expectUndecidable(script.facts.key)
        let found = try #require(await attestor.complete(pid: script.facts.key.pid))
        #expect(found.gaps[.scriptHash]?.contains("x.py") == true && !found.isFinal)
    }

    @Test(.asRoot) func `what was opened at exec is hashed once`() async throws {
        let script = try start(["x.py"], files: ["x.py": RunningScript.waiting])
        try await install(slot("agent", [.scriptHash: text(hash(RunningScript.waiting))]))
        await attestor.open(script.facts.key)
        await attestor.open(script.facts.key)
        #expect(await attestor.decide(script.facts.key)?.workloadID == "agent")
        #expect(await hasher.filesRead == 1)
    }

    @Test(.asRoot) func `what was opened at exec is no other image's`() async throws {
        let script = try start(["x.py"], files: ["x.py": RunningScript.waiting, "other.py": "other\n"])
        try await install(
            slot("agent", [.scriptHash: text(hash(RunningScript.waiting))]),
            slot("other", [.scriptHash: text(hash("other\n"))]))
        await attestor.open(script.facts.key)
        book.add(script.facts, image: 2)
        let folder = script.folder.path()
        #expect(rename(folder + "/other.py", folder + "/x.py") == 0)
        #expect(await attestor.decide(script.facts.key)?.workloadID == "other")
        #expect(book.answers == [ProcessImage(process: script.facts.key, number: 2): [1]])
    }
}
