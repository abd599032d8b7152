import Dispatch
import Testing

@testable import Agent

@Suite("File threads") struct FileThreadsTests {
    @Test func `one user's stuck threads are not others' loss`() async throws {
        let threads = FileThreads(deadline: .milliseconds(50), ofUser: 1, inAll: 2)
        let silence = DispatchSemaphore(value: 0)
        let begun = 3
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<begun {
                group.addTask {
                    await #expect(throws: FileThreadError.noAnswer) { try await threads.run(for: 1) { silence.wait() } }
                }
            }
        }
        await #expect(throws: FileThreadError.tooManyStuck(userID: 1)) { try await threads.run(for: 1) {} }
        #expect(try await threads.run(for: 2) { 7 } == 7)
        for _ in 0..<begun { silence.signal() }
    }
}
