import Crypto
import Foundation
import SPIFFE
import Synchronization
import Testing
import Workloads

@testable import Agent
@testable import Kernel

/// A listener becomes what called listen(), and nothing else.
@Suite("Listener decisions") struct ListenerDecisionsTests {
    private let book = ProcessBook()
    private let attestor: Attestor

    init() { attestor = Attestor(kernel: book) }

    private let process = ProcessKey(pid: 7, startTime: 1)

    private func run(as userID: UInt32, image: UInt32) {
        let facts = ProcessFacts(
            key: process, userID: userID, realUserID: userID, groupID: 0, name: "server", arguments: ["server"],
            executable: ProcessFacts.Executable(path: "/server", device: 1, inode: 1))
        book.add(facts, image: image)
    }

    private func outcome(listenedAs userID: UInt32, image: UInt32) async throws -> ListenerDecisions.Outcome {
        let selector = Selector(conditions: [.userID: Condition(anyOf: [.number(1001)])])
        let program = SelectorProgram(slots: [.init(selector: selector, workloadID: "server")])
        try await attestor.install(Matcher(program: program), handles: [:])
        let socket = socket(ProcessImage(process: process, number: image), userID: userID)
        return await ListenerQuestions(attestor) {}.decisions(on: [socket], within: .seconds(10)).outcome(for: socket)
    }

    private func socket(_ image: ProcessImage, userID: UInt32) -> ListeningSocket {
        ListeningSocket(
            cookie: UInt64(userID), endpoint: InternetEndpoint(address: .wildcardIPv4, port: 9000), network: 1,
            image: image,
            credentials: ProcessIDs(
                effectiveUserID: userID, realUserID: userID, effectiveGroupID: 0, realGroupID: 0),
            identity: .none)
    }

    @Test func `what listened, and still runs, is decided`() async throws {
        run(as: 1001, image: 1)
        #expect(try await outcome(listenedAs: 1001, image: 1) == .workload("server"))
    }

    @Test func `a stranger that becomes a workload after it listened keeps a stranger's listener`() async throws {
        run(as: 1001, image: 2)
        #expect(try await outcome(listenedAs: 1002, image: 1) == .orphaned)
    }

    @Test func `a workload that executes another program leaves its listener what it was`() async throws {
        run(as: 0, image: 2)
        #expect(try await outcome(listenedAs: 1001, image: 1) == .orphaned)
    }

    @Test func `root that listens and then drops its uid is judged as root`() async throws {
        run(as: 1001, image: 1)
        #expect(try await outcome(listenedAs: 0, image: 1) == .unmanaged)
    }

    /// Some seconds for `text`, of which "slow" is the identity; "server" is that of uid 1001.
    private func slowReader(of text: String) async throws -> Attestor {
        var bounds = FileHasher.Bounds()
        bounds.chunkBytes = 500
        bounds.bytesPerSecond = 2000
        let attestor = Attestor(kernel: book, hasher: FileHasher(bounds: bounds))
        let hash = SHA256.hash(data: Data(text.utf8)).map { String(format: "%02x", $0) }.joined()
        try await attestor.install(
            Matcher(
                program: SelectorProgram(slots: [
                    .init(
                        selector: Selector(conditions: [.scriptHash: Condition(anyOf: [.text(hash)])]),
                        workloadID: "slow"),
                    .init(
                        selector: Selector(conditions: [.userID: Condition(anyOf: [.number(1001)])]),
                        workloadID: "server"),
                ])), handles: [:])
        return attestor
    }

    @Test(.asRoot)
    func `a listener of a long file keeps no other waiting, and news comes of it`()
        async throws
    {
        let text = RunningScript.waiting + String(repeating: "# long\n", count: 3000)
        let script = try RunningScript(["x.py"], files: ["x.py": text], isRootsAlone: true)
        book.add(script.facts)
        run(as: 1001, image: 1)
        let attestor = try await slowReader(of: text)
        let news = Mutex(0)
        let questions = ListenerQuestions(attestor) { news.withLock { $0 += 1 } }
        let (slow, quick) = (
            socket(script.image, userID: script.facts.userID),
            socket(ProcessImage(process: process, number: 1), userID: 1001)
        )
        let deadline = ContinuousClock.now + .seconds(60)
        var known: ListenerDecisions
        repeat {
            try #require(ContinuousClock.now < deadline)
            known = await questions.decisions(on: [slow, quick], within: .milliseconds(50))
        } while known.outcome(for: quick) == .pending
        #expect(known.outcome(for: quick) == .workload("server"))
        #expect(known.outcome(for: slow) == .pending && known.areLate)
        while news.withLock({ $0 }) == 0 || questions.count > 0 {
            try #require(ContinuousClock.now < deadline)
            try await Task.sleep(for: .milliseconds(5))
        }
        let decisions = await questions.decisions(on: [slow], within: .seconds(60))
        #expect(decisions.outcome(for: slow) == .workload("slow") && !decisions.areLate)
    }
}
