import Crypto
import Foundation
import SPIFFE
import Testing
import Workloads

@testable import Agent
@testable import Kernel

/// Which script a process runs that was not looked at when it was executed: nobody can see that by the names of now.
@Suite("Forked scripts") struct ForkedScriptTests {
    private let book = ProcessBook()
    private let trusted = "trusted\n"

    private func hash(_ text: String) -> String {
        SHA256.hash(data: Data(text.utf8)).map { String(format: "%02x", $0) }.joined()
    }

    private func attestor(_ kept: [KnownImages.Script] = []) async throws -> Attestor {
        let attestor = Attestor(kernel: book, scripts: kept)
        let slots = try [("daemon", RunningScript.daemon), ("agent", RunningScript.waiting), ("trusted", trusted)].map {
            SelectorProgram.Slot(
                selector: Selector(conditions: [.scriptHash: Condition(anyOf: [.text(hash($1))])]),
                workloadID: try WorkloadName($0))
        }
        try await attestor.install(Matcher(program: SelectorProgram(slots: slots)), handles: [:])
        return attestor
    }

    /// Its child stands in a folder where the same name is another file.
    private func daemon(executed: UInt64? = nil) throws -> (RunningScript, child: ProcessFacts) {
        let script = try RunningScript(
            ["x.py", "elsewhere"], files: ["x.py": RunningScript.daemon, "elsewhere/x.py": trusted])
        let execution = try script.execution(executed: executed)
        let child = try script.child()
        book.add(script.facts, image: 1, by: execution)
        book.add(child, image: 0, by: execution)
        return (script, child)
    }

    private func expectUndecidable(
        _ process: ProcessKey, _ attestor: Attestor, _ reason: String, _ place: SourceLocation = #_sourceLocation,
    ) async {
        let error = await #expect(throws: AttestorError.self, sourceLocation: place) {
            try await attestor.identify(process)
        }
        guard case .undecidable(_, let gaps)? = error else {
            Issue.record("\(String(describing: error))", sourceLocation: place)
            return
        }
        #expect(gaps[.scriptHash]?.contains(reason) == true, "\(gaps)", sourceLocation: place)
        #expect(book.answers.isEmpty, sourceLocation: place)
    }

    @Test(.asRoot) func `a daemon's child runs what its parent was executed with, wherever it goes`() async throws {
        let (script, child) = try daemon()
        let attestor = try await attestor()
        await attestor.open(script.facts.key)
        #expect(await attestor.decide(child.key)?.workloadID == "daemon")
        book.end(script.facts.key)
        #expect(await attestor.decide(child.key)?.workloadID == "daemon")
    }

    @Test(.asRoot) func `a worker that is forked after a deployment runs the former script`() async throws {
        let (script, child) = try daemon()
        let attestor = try await attestor()
        #expect(await attestor.decide(script.facts.key)?.workloadID == "daemon")
        try script.write(trusted, to: "x.py")
        #expect(await attestor.decide(child.key)?.workloadID == "daemon")
    }

    @Test(.asRoot) func `who goes to a trusted folder runs nothing of it, and is not nobody either`() async throws {
        let (script, child) = try daemon()
        let attestor = try await attestor()
        await expectUndecidable(child.key, attestor, "has another working directory")
        // Its parent is where it was executed.
        #expect(await attestor.decide(script.facts.key)?.workloadID == "daemon")
    }

    @Test(.asRoot) func `a working directory that others could change says nothing`() async throws {
        let script = try RunningScript(["x.py"], files: ["x.py": RunningScript.waiting])
        book.add(script.facts, image: 1, by: try script.execution(isShared: true))
        await expectUndecidable(script.facts.key, try await attestor(), "shared them with another one")
    }

    @Test(.asRoot) func `a root directory that is another one says nothing`() async throws {
        let script = try RunningScript(["x.py"], files: ["x.py": RunningScript.waiting])
        let real = try #require(try script.execution().surroundings)
        let other = Execution(
            program: script.image,
            surroundings: .init(root: real.working, working: real.working, isShared: false, executed: nil))
        book.add(script.facts, image: 1, by: other)
        await expectUndecidable(script.facts.key, try await attestor(), "has another working")
    }

    /// Between the exec and the first look: while nobody asked for scripts, or the agent was away.
    @Test(.asRoot) func `a file that came after the exec is not what runs`() async throws {
        let script = try RunningScript(["x.py"], files: ["x.py": RunningScript.waiting])
        let executed = UInt64(Execution.Surroundings.now(CLOCK_BOOTTIME) / .nanoseconds(1))
        book.add(script.facts, image: 1, by: try script.execution(executed: executed))
        let attestor = try await attestor()
        #expect(await attestor.decide(script.facts.key)?.workloadID == "agent")

        book.add(script.facts, image: 2, by: try script.execution(executed: executed))
        let other = try await self.attestor()
        try script.write(trusted, to: "x.py")
        await expectUndecidable(script.facts.key, other, "was changed, or put there, after")
    }

    @Test(.asRoot) func `another agent knows what the one before it has found`() async throws {
        let (script, child) = try daemon()
        let former = try await attestor()
        #expect(await former.decide(script.facts.key)?.workloadID == "daemon")
        let folder = FileManager.default.temporaryDirectory.appending(path: "tidemark-kept-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = KeptState<[KnownImages.Script]>(directory: folder.path, name: "programs.json")
        file.keep(await former.scripts)
        try file.flush()
        #expect(
            KeptState<[KnownImages.Script]>(directory: folder.path, name: "programs.json", boot: "other").load() == nil)
        let kept = try #require(KeptState<[KnownImages.Script]>(directory: folder.path, name: "programs.json").load())
        #expect(await (try attestor(kept)).decide(child.key)?.workloadID == "daemon")
    }

    @Test func `of many programs those are forgotten that nobody runs, then the oldest of who has most`() {
        var known = KnownImages(limit: 8)
        var living: Set<ProcessImage> = []
        func add(_ pid: Int32, uid: UInt32) -> ProcessImage {
            let key = ProcessKey(pid: pid, startTime: 1)
            let image = ProcessImage(process: key, number: 1)
            let facts = ProcessFacts(
                key: key, userID: uid, realUserID: uid, groupID: 0, name: "x", arguments: [],
                executable: .init(path: "/x", device: 1, inode: 1))
            living.insert(image)
            known.add([.scriptHash: .text("\(pid)")], of: image, running: image, facts) { living }
            return image
        }
        let honest = add(1, uid: 1001)
        let ended = (2...7).map { add($0, uid: 1002) }
        living.subtract(ended)
        for pid in 10...40 { _ = add(Int32(pid), uid: 1002) }
        func isKnown(_ image: ProcessImage) -> Bool { !known.findings(of: image, running: image).isEmpty }
        #expect(isKnown(honest) && !ended.contains(where: isKnown))
        #expect(isKnown(ProcessImage(process: ProcessKey(pid: 40, startTime: 1), number: 1)))
    }

    @Test func `what was seen first stays`() {
        var known = KnownImages(limit: 8)
        let key = ProcessKey(pid: 1, startTime: 1)
        let image = ProcessImage(process: key, number: 1)
        let facts = ProcessFacts(
            key: key, userID: 1, realUserID: 1, groupID: 0, name: "x", arguments: [],
            executable: .init(path: "/x", device: 1, inode: 1))
        for finding: Finding in [.unknown("", isLasting: false), .text("first"), .text("later"), .absent] {
            known.add([.scriptHash: finding], of: image, running: image, facts) { [] }
        }
        #expect(known.findings(of: image, running: image)[.scriptHash] == .text("first"))
    }
}
