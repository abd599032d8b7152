import Crypto
import Foundation
import SPIFFE
import Testing
import Workloads

@testable import Agent
@testable import Kernel

@Suite("Attestor") struct AttestorTests {
    private let book = ProcessBook()
    private let hasher = FileHasher(now: { .sinceEpoch + .seconds(60) })
    private let attestor: Attestor

    init() { attestor = Attestor(kernel: book, hasher: hasher) }

    private func slot(_ workloadID: WorkloadName, _ conditions: [SelectorKey: Condition]) -> SelectorProgram.Slot {
        SelectorProgram.Slot(selector: Selector(conditions: conditions), workloadID: workloadID)
    }

    private func text(_ text: String) -> Condition { Condition(anyOf: [.text(text)]) }

    private let anyone = Condition(anyOf: [.number(1001)])

    private func install(_ slots: SelectorProgram.Slot...) async throws {
        try await attestor.install(Matcher(program: SelectorProgram(slots: slots)), handles: [:])
    }

    private func hash(_ text: String) -> String {
        SHA256.hash(data: Data(text.utf8)).map { String(format: "%02x", $0) }.joined()
    }

    private func hash(ofFile path: String) throws -> String {
        SHA256.hash(data: try Data(contentsOf: URL(filePath: path))).map { String(format: "%02x", $0) }.joined()
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

    // MARK: Waiting

    /// U connects without end while nobody comes to hash what he runs.
    @Test func `whoever waits no longer for a hash that does not come leaves nothing behind, and it is read once`()
        async throws
    {
        let script = try start(["x.py"], files: ["x.py": RunningScript.waiting])
        var bounds = FileHasher.Bounds()
        bounds.bytesPerSecond = 1
        let hasher = FileHasher(bounds: bounds)
        let attestor = Attestor(kernel: book, hasher: hasher)
        let program = SelectorProgram(slots: [slot("agent", [.binaryHash: text(hash("other"))])])
        try await attestor.install(Matcher(program: program), handles: [:])
        let (image, ids) = (script.image, ProcessIDs(userID: 1001, groupID: 1001))
        let standings = Standings(
            kernel: book, policy: PolicyBoard(), attestor: attestor, patience: .milliseconds(20))
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<100 {
                group.addTask {
                    await #expect(throws: FlowError.self) {
                        try await attestor.attest(image, as: ids, within: .milliseconds(20))
                    }
                }
                group.addTask { _ = await standings.standing(of: image.process) }
            }
        }
        #expect(await attestor.waiting == 0)
        #expect(await hasher.filesRead == 1)
    }

    @Test(arguments: [true, false])
    func `an answer reaches all who wait for it still, and who has left nothing`(_ isEarly: Bool) async throws {
        let answer = SharedAnswer<Int>()
        let waiting = (0..<4).map { _ in Task { try await answer.value } }
        if !isEarly { while answer.waiting < 4 { await Task.yield() } }
        for left in waiting.prefix(2) { left.cancel() }
        for left in waiting.prefix(2) {
            await #expect(throws: CancellationError.self) { try await left.value }
        }
        while answer.waiting < 2 { await Task.yield() }
        answer.give(7)
        for waiter in waiting.suffix(2) { #expect(try await waiter.value == 7) }
        #expect(try await answer.value == 7 && answer.waiting == 0)
    }

    // MARK: Files

    @Test func `the hash of the running executable gives the identity, and the kernel part is told`() async throws {
        let script = try start(["x.py"], files: ["x.py": RunningScript.waiting])
        try await install(
            slot("other", [.binaryHash: text(String(repeating: "0", count: 64))]),
            slot("agent", [.binaryHash: text(try hash(ofFile: script.facts.executable.path))]),
        )
        #expect(await attestor.decide(script.facts.key)?.workloadID == "agent")
        #expect(book.answers == [script.image: [1]])
    }

    @Test(.asRoot) func `a process whose first thread has ended is looked at by another one`() async throws {
        let script = try start(["x.py"], files: ["x.py": RunningScript.retired])
        try await install(
            slot(
                "agent",
                [
                    .binaryHash: text(try hash(ofFile: script.facts.executable.path)),
                    .scriptHash: text(hash(RunningScript.retired)),
                ]))
        #expect(await attestor.decide(script.facts.key)?.workloadID == "agent")
    }

    @Test(.asRoot) func `a script is found from the process's own working directory`() async throws {
        let script = try start(["-u", "x.py"], files: ["x.py": RunningScript.waiting])
        try await install(slot("agent", [.scriptHash: text(hash(RunningScript.waiting)), .userID: anyone]))
        let found = try #require(await attestor.complete(pid: script.facts.key.pid))
        #expect(found.facts.script?.hash == hash(RunningScript.waiting))
        #expect(found.facts.script?.path == script.folder.resolvingSymlinksInPath().appending(path: "x.py").path())
        #expect(found.gaps.isEmpty && found.isFinal && found.image == script.image)
        #expect(await attestor.decide(script.facts.key)?.workloadID == "agent")
    }

    @Test(
        .asRoot,
        arguments: [
            ["pkg/__main__.py", "pkg/__init__.py", "pkg.py"], ["pkg.py", "pkg/__main__.py"], ["pkg/__main__.py"],
        ])
    func `python -m runs the module in the working directory`(_ files: [String]) async throws {
        let content = Dictionary(
            uniqueKeysWithValues: files.map { ($0, $0.hasSuffix("__init__.py") ? "" : RunningScript.waiting) })
        let script = try start(["-m", "pkg"], files: content, isRootsAlone: true)
        try await install(slot("agent", [.scriptHash: text(hash(RunningScript.waiting))]))
        let found = try #require(await attestor.complete(pid: script.facts.key.pid))
        #expect(found.facts.script?.path.hasSuffix("/" + files[0]) == true, "\(found.gaps)")
        #expect(await attestor.decide(script.facts.key)?.workloadID == "agent")
    }

    @Test(.asRoot) func `what the kernel executed through its first line wins over argv`() async throws {
        let script = try start(
            ["x.py"], files: ["x.py": RunningScript.waiting, "tool": "#!/usr/bin/python3\n"], shebang: "./tool")
        try await install(slot("agent", [.scriptHash: text(hash("#!/usr/bin/python3\n"))]))
        #expect(await attestor.decide(script.facts.key)?.workloadID == "agent")
    }

    @Test(.asRoot) func `a script that is gone holds for nothing, and the reason is told`() async throws {
        let script = try start(["x.py"], files: ["x.py": RunningScript.waiting])
        try FileManager.default.removeItem(at: script.folder.appending(path: "x.py"))
        try await install(
            slot("exact", [.scriptHash: text(hash(RunningScript.waiting))]),
            slot("not", [.scriptHash: Condition(noneOf: [.text(hash("other"))])]),
            slot("path", [.scriptPath: Condition(noneOf: [.text("/other")])]),
        )
        let found = try #require(await attestor.complete(pid: script.facts.key.pid))
        #expect(found.gaps[.scriptHash]?.contains("x.py cannot be read (errno 2)") == true)
        // Nor is it an answer: it was there when the program was executed, and nobody saw it.
        await expectUndecidable(script.facts.key)
    }

    @Test(.asRoot) func `a name that only the kernel can follow is not followed in the process's place`() async throws {
        let script = try start(["x.py"], files: ["x.py": RunningScript.waiting], shebang: "/proc/self/exe")
        try await install(slot("agent", [.scriptPath: Condition(anyOf: [.prefix("/")])]))
        let found = try #require(await attestor.complete(pid: script.facts.key.pid))
        #expect(found.gaps[.scriptPath]?.contains("errno \(ELOOP)") == true)
        #expect(await attestor.decide(script.facts.key)?.workloadID == nil)
    }

    @Test func `an executable that is not the one recorded at exec is none`() async throws {
        let script = try start(["x.py"], files: ["x.py": RunningScript.waiting])
        var facts = script.facts
        facts.executable.inode += 1
        book.add(facts)
        try await install(slot("agent", [.binaryHash: Condition(noneOf: [.text(hash("other"))])]))
        let found = try #require(await attestor.complete(pid: facts.key.pid))
        #expect(found.gaps[.binaryHash]?.contains("shows another executable") == true)
        #expect(await attestor.decide(facts.key)?.workloadID == nil)
    }

    @Test func `a file above the limit is a gap, and explained`() async throws {
        var bounds = FileHasher.Bounds()
        bounds.fileBytes = 1000
        let attestor = Attestor(kernel: book, hasher: FileHasher(bounds: bounds))
        let script = try start(["x.py"], files: ["x.py": RunningScript.waiting])
        let program = SelectorProgram(slots: [slot("agent", [.binaryHash: text(hash("x"))])])
        try await attestor.install(Matcher(program: program), handles: [:])
        let found = try #require(await attestor.complete(pid: script.facts.key.pid))
        #expect(found.gaps[.binaryHash]?.contains("no more than 1000 are hashed") == true && found.isFinal)
    }

    // MARK: No more than is needed

    @Test func `nothing is read for a process whose other keys do not hold`() async throws {
        let script = try start(["x.py"], files: ["x.py": RunningScript.waiting])
        try await install(
            slot(
                "agent",
                [.binaryHash: text(hash("x")), .commandLine: Condition(anyOf: [.words(["node"], lastIsPrefix: false)])])
        )
        #expect(await attestor.decide(script.facts.key)?.workloadID == nil)
        #expect(await hasher.filesRead == 0)
        #expect(book.answers.isEmpty)
    }

    @Test(.asRoot) func `credentials can change, so a process is looked at whatever they are now`() async throws {
        let script = try start(["x.py"], files: ["x.py": RunningScript.waiting])
        try await install(
            slot("agent", [.scriptHash: text(hash(RunningScript.waiting)), .userID: Condition(anyOf: [.number(33)])]))
        #expect(await attestor.decide(script.facts.key)?.workloadID == nil)
        #expect(book.answers == [script.image: [0]])
        let later = ProcessIDs(effectiveUserID: 33, realUserID: 33, effectiveGroupID: 33, realGroupID: 33)
        #expect(try await attestor.attest(script.image, as: later).match.workloadID == "agent")
    }

    @Test(.asRoot) func `whoever asks meanwhile waits for the same answer`() async throws {
        let script = try start(["x.py"], files: ["x.py": RunningScript.waiting])
        try await install(slot("agent", [.scriptHash: text(hash(RunningScript.waiting))]))
        let (attestor, key) = (attestor, script.facts.key)
        let answers = await withTaskGroup(of: SPIFFEPath?.self) { group in
            for _ in 0..<50 { group.addTask { await attestor.decide(key)?.workloadID } }
            return await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(answers == ["agent"])
        #expect(await hasher.filesRead == 1)
    }

    @Test(.asRoot) func `a new policy finds the answers for all that was looked at, and looks at nothing again`()
        async throws
    {
        let script = try start(["x.py"], files: ["x.py": RunningScript.waiting])
        try await install(slot("agent", [.scriptHash: text(hash(RunningScript.waiting))]))
        #expect(await attestor.decide(script.facts.key)?.workloadID == "agent")
        try await install(
            slot("kernel", [.userID: Condition(anyOf: [.number(1)])]),
            slot("other", [.scriptHash: text(hash(RunningScript.waiting))]))
        #expect(book.known == [script.image: [1]])
        #expect(await attestor.decide(script.facts.key)?.workloadID == "other")
        #expect(await hasher.filesRead == 1)
        try await install(slot("agent", [.binaryHash: text(hash("x"))]))
        #expect(book.known.isEmpty)
        book.end(script.facts.key)
        try await install(slot("other", [.scriptHash: text(hash(RunningScript.waiting))]))
        #expect(book.known.isEmpty)
    }

    // MARK: Another process

    @Test func `what was found while a process became another program is thrown away`() async throws {
        let script = try start(["x.py"], files: ["x.py": RunningScript.waiting])
        try await install(slot("agent", [.scriptHash: text(hash(RunningScript.waiting))]))
        book.execute(afterLooks: 1)
        let error = await #expect(throws: AttestorError.self) { try await attestor.identify(script.facts.key) }
        // Not ended: what it opened before is held against what it is now.
        guard case .becameAnother? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(book.answers.isEmpty)
    }

    @Test func `a socket opened before an exec is not that of the program executed`() async throws {
        let script = try start(["x.py"], files: ["x.py": RunningScript.waiting])
        try await install(slot("agent", [.scriptHash: text(hash(RunningScript.waiting))]))
        let ids = ProcessIDs(effectiveUserID: 1001, realUserID: 1001, effectiveGroupID: 1001, realGroupID: 1001)
        let before = ProcessImage(process: script.facts.key, number: 0)
        let error = await #expect(throws: AttestorError.self) { try await attestor.attest(before, as: ids) }
        #expect("\(try #require(error))".contains("executed another program"))
        book.end(script.facts.key)
        let gone = await #expect(throws: AttestorError.self) { try await attestor.attest(script.image, as: ids) }
        #expect("\(try #require(gone))".contains("ended before"))
    }

    @Test func `without a policy nobody is decided`() async throws {
        let script = try start(["x.py"], files: ["x.py": RunningScript.waiting])
        #expect(await attestor.decide(script.facts.key) == nil)
        #expect(await attestor.complete(pid: script.facts.key.pid)?.facts == script.facts)
    }

    // MARK: Descent

    private func process(_ pid: Int32, uid: UInt32, parent: ProcessFacts? = nil) -> ProcessFacts {
        let facts = ProcessFacts(
            key: ProcessKey(pid: pid, startTime: UInt64(pid)), userID: uid, realUserID: uid, groupID: 0, name: "x",
            arguments: ["x"], executable: .init(path: "/x", device: 1, inode: 1), parent: parent?.key,
        )
        book.add(facts)
        return facts
    }

    @Test func `the parent's identity and those before it are found up the chain`() async throws {
        let root = process(1, uid: 0)
        let manager = process(2, uid: 10, parent: root)
        let worker = process(3, uid: 20, parent: manager)
        let tool = process(4, uid: 1001, parent: worker)
        let stranger = process(5, uid: 1001, parent: root)
        try await install(
            slot("tool", [.parent: text("worker"), .ancestor: text("manager"), .userID: anyone]),
            slot("worker", [.parent: text("manager")]),
            slot("manager", [.userID: Condition(anyOf: [.number(10)])]),
            slot("orphan", [.ancestor: Condition(noneOf: [.text("manager")]), .userID: anyone]),
        )
        let found = try #require(await attestor.complete(pid: tool.key.pid))
        #expect(found.facts.parentIdentity == "worker")
        #expect(found.facts.ancestorIdentities == ["worker", "manager"])
        #expect(await attestor.decide(tool.key)?.workloadID == "tool")
        #expect(await attestor.decide(stranger.key)?.workloadID == "orphan")
    }

    @Test func `a parent that has ended, or whose pid is another's by now, is nobody`() async throws {
        let parent = process(2, uid: 10)
        let child = process(3, uid: 1001, parent: parent)
        let other = process(4, uid: 1001, parent: parent)
        try await install(
            slot("child", [.parent: text("manager")]), slot("manager", [.userID: Condition(anyOf: [.number(10)])]))
        #expect(await attestor.decide(child.key)?.workloadID == "child")
        book.end(parent.key)
        #expect(await attestor.decide(other.key)?.workloadID == nil)
        // What was found of the first one while its parent lived holds on.
        #expect(await attestor.decide(child.key)?.workloadID == "child")
        // A process started later under the same number is no parent.
        var reused = parent
        reused.userID = 10
        book.add(
            ProcessFacts(
                key: ProcessKey(pid: 2, startTime: 99), userID: 10, realUserID: 10, groupID: 0, name: "x",
                arguments: ["x"],
                executable: reused.executable))
        let last = process(5, uid: 1001, parent: parent)
        #expect(await attestor.decide(last.key)?.workloadID == nil)
    }

    @Test func `two that claim to be each other's parent do not wait for each other`() async throws {
        var one = process(10, uid: 1001)
        var two = process(11, uid: 1001)
        one.parent = two.key
        two.parent = one.key
        book.add(one)
        book.add(two)
        try await install(slot("child", [.ancestor: Condition(noneOf: [.text("x")])]))
        #expect(await attestor.decide(one.key)?.workloadID == "child")
        #expect(await attestor.decide(two.key)?.workloadID == "child")
    }

    @Test func `ancestors are counted up to the thirty-second`() async throws {
        var last = process(1, uid: 10)
        for pid in 2...40 { last = process(Int32(pid), uid: 1001, parent: last) }
        try await install(
            slot("late", [.ancestor: text("first"), .userID: anyone]),
            slot("first", [.userID: Condition(anyOf: [.number(10)])]))
        #expect(await attestor.decide(ProcessKey(pid: 33, startTime: 33))?.workloadID == "late")
        #expect(await attestor.decide(ProcessKey(pid: 34, startTime: 34))?.workloadID == nil)
    }

    /// Want of threads passes: nobody's is only who was looked at.
    @Test func `who could not be looked at, or was started by such a one, is not decided`() async throws {
        let attestor = Attestor(kernel: book, hasher: FileHasher(threads: FileThreads(ofUser: 0)))
        let script = try start(["x.py"], files: ["x.py": RunningScript.waiting])
        let child = process(script.facts.key.pid + 1, uid: 1002, parent: script.facts)
        let program = SelectorProgram(slots: [
            slot("parent", [.binaryHash: text(try hash(ofFile: script.facts.executable.path)), .userID: anyone]),
            slot("child", [.parent: text("parent"), .userID: Condition(anyOf: [.number(1002)])]),
        ])
        try await attestor.install(Matcher(program: program), handles: [:])
        for key in [script.facts.key, child.key] {
            let error = await #expect(throws: AttestorError.self) { try await attestor.identify(key) }
            guard case .undecidable? = error else {
                Issue.record("\(key): \(String(describing: error))")
                continue
            }
        }
        #expect(book.answers.isEmpty)
    }

    @Test func `what parents are is asked again under another policy`() async throws {
        let parent = process(2, uid: 10)
        let child = process(3, uid: 1001, parent: parent)
        try await install(
            slot("child", [.parent: text("manager")]), slot("manager", [.userID: Condition(anyOf: [.number(10)])]))
        #expect(await attestor.decide(child.key)?.workloadID == "child")
        try await install(
            slot("child", [.parent: text("manager")]), slot("boss", [.userID: Condition(anyOf: [.number(10)])]))
        #expect(book.known.isEmpty)
        #expect(await attestor.decide(child.key)?.workloadID == nil)
    }
}
