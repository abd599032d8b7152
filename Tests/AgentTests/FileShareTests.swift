import Dispatch
import SPIFFE
import Testing
import Workloads

@testable import Agent
@testable import Kernel

@Suite("File shares") struct FileShareTests {
    @Test(.timeLimit(.minutes(1))) func `files are read in the share of who pays, whatever uid runs them`() async throws
    {
        let script = try RunningScript(["x.py"], files: ["x.py": RunningScript.waiting])
        let book = ProcessBook()
        book.add(script.facts)
        let threads = FileThreads(deadline: .milliseconds(50), ofUser: 1, inAll: 8)
        let silence = DispatchSemaphore(value: 0)
        await #expect(throws: FileThreadError.noAnswer) { try await threads.run(for: 61_001) { silence.wait() } }
        defer { silence.signal() }
        let attestor = Attestor(kernel: book, hasher: FileHasher(threads: threads))
        let hashed = Selector(conditions: [
            .userID: Condition(anyOf: [.number(1001)]), .binaryHash: Condition(anyOf: [.text("00")]),
        ])
        let program = SelectorProgram(slots: [.init(selector: hashed, workloadID: "agent")])
        try await attestor.install(Matcher(program: program), handles: [:])
        book.pay(61_001)
        let refused = try #require(await attestor.complete(pid: script.facts.key.pid)?.gaps[.binaryHash])
        #expect(refused == "\(FileThreadError.tooManyStuck(userID: 61_001))")
        book.pay(nil)
        #expect(await attestor.complete(pid: script.facts.key.pid)?.gaps == [:])
    }
}
