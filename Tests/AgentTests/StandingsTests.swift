import Testing
import Workloads

@testable import Agent
@testable import Kernel

@Suite("Who a process is now") struct StandingsTests {
    private let book = ProcessBook()
    private let attestor: Attestor
    private let process = ProcessKey(pid: 7, startTime: 1)

    init() {
        attestor = Attestor(kernel: book)
        book.add(
            ProcessFacts(
                key: process, userID: 1001, realUserID: 1001, groupID: 0, name: "agent", arguments: ["agent"],
                executable: ProcessFacts.Executable(path: "/agent", device: 1, inode: 1)))
    }

    private func standing(within patience: Duration = .seconds(600)) async -> Standing {
        await Standings(kernel: book, policy: PolicyBoard(), attestor: attestor, patience: patience)
            .standing(of: process)
    }

    private func ask(for key: SelectorKey, _ value: Pattern) async throws {
        let selector = Selector(conditions: [key: Condition(anyOf: [value])])
        let program = SelectorProgram(slots: [.init(selector: selector, workloadID: "agent")])
        try await attestor.install(Matcher(program: program), handles: [:])
    }

    @Test(arguments: [0, 3]) func `who has no record in the midst of an exec has not ended`(_ looks: Int) async throws {
        try await ask(for: .userID, .number(1001))
        book.blank(forLooks: looks)
        #expect(await standing() == .runs(image: 1, as: .nobody))
    }

    @Test func `who has ended is not waited for`() async throws {
        try await ask(for: .userID, .number(1001))
        book.end(process)
        #expect(await standing() == .ended)
    }

    @Test(arguments: [true, false])
    func `who never is what was asked about, or finds no room for a record, is unknown`(_ executes: Bool) async throws {
        try await ask(for: .binaryHash, .text("a hash"))
        if executes { book.executeAtEachLook() } else { book.blank(forLooks: .max) }
        guard case .runs(_, as: .unknown(let reason)) = await standing(within: .milliseconds(50)) else {
            Issue.record("it is told to have ended, or to be known")
            return
        }
        #expect(reason == "not found out within 0.05 seconds")
    }
}
