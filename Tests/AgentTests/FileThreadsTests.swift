import Crypto
import Foundation
import Kernel
import Limits
import Synchronization
import Testing

@testable import Agent

@Suite("File threads") struct FileThreadsTests {
    @Test func `one user's stuck threads are not others' loss`() async throws {
        let threads = FileThreads(deadline: .milliseconds(50), ofUser: 1, inAll: 2)
        let silence = Silence()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<3 {
                group.addTask {
                    await #expect(throws: FileThreadError.self) { try await silence.keep(threads, for: 1) }
                }
            }
        }
        await #expect(throws: FileThreadError.tooManyStuck(userID: 1)) { try await threads.run(for: 1) {} }
        #expect(try await threads.run(for: 2) { 7 } == 7)
        silence.end()
    }

    @Test func `with all but one thread stuck that may be, others' files are hashed and everything else goes on`()
        async throws
    {
        let threads = FileThreads(deadline: .milliseconds(100))
        let silence = Silence()
        let users = Limits.Files.stuck / Limits.Files.stuckOfUser - 1
        await withTaskGroup(of: Void.self) { group in
            // More at once than each may have.
            for user in 1...users {
                for _ in 0..<8 {
                    group.addTask {
                        await #expect(throws: FileThreadError.self) {
                            try await silence.keep(threads, for: UInt32(user))
                        }
                    }
                }
            }
        }
        #expect(silence.count == users * Limits.Files.stuckOfUser, "no user keeps more of them than its share")
        let path = FileManager.default.temporaryDirectory.appending(path: "tidemark-\(UUID().uuidString)")
        try Data("text".utf8).write(to: path)
        defer { try? FileManager.default.removeItem(at: path) }
        let hash = try await FileHasher(threads: threads).hash(of: OpenFile(path: path.path), for: 1000)
        #expect(hash == SHA256.hash(data: Data("text".utf8)).hexadecimal)
        // What waits for a file system is on none of the threads that everything else runs on.
        #expect(try await threads.run(for: 1000) { Self.nameOfThisThread } == FileThreads.name)
        silence.end()
    }

    @Test(.timeLimit(.minutes(2)))
    func `threads that came back are good for others, and end when nothing is to be done`() async throws {
        let threads = FileThreads(
            deadline: .milliseconds(50), idleness: .milliseconds(50), ofUser: 1, atOnce: 2, inAll: 2)
        for round in 0..<3 {
            let silence = Silence()
            await #expect(throws: FileThreadError.noAnswer) { try await silence.keep(threads, for: 1) }
            await #expect(throws: FileThreadError.tooManyStuck(userID: 1)) { try await threads.run(for: 1) {} }
            silence.end()
            while (try? await threads.run(for: 1) { round }) != round { await Task.yield() }
        }
        while threads.idle > 0 { try await Task.sleep(for: .milliseconds(10)) }
        #expect(try await threads.run(for: 1) { 7 } == 7)
    }

    @Test func `of many at once each gets its answer`() async throws {
        let threads = FileThreads(idleness: .microseconds(50))
        try await withThrowingTaskGroup(of: Int.self) { group in
            for number in 0..<2000 { group.addTask { try await threads.run(for: UInt32(number % 7)) { number } } }
            var sum = 0
            for try await number in group { sum += number }
            #expect(sum == 1999 * 1000)
        }
    }

    private static var nameOfThisThread: String {
        (try? String(contentsOfFile: "/proc/thread-self/comm", encoding: .utf8))?.trimmingCharacters(in: .newlines)
            ?? ""
    }
}

/// A file of which nothing can be read, for as long as it is there.
private final class Silence: Sendable {
    private let pipe = Pipe()
    private let kept = Mutex(0)

    /// How many read it, or did.
    var count: Int { kept.withLock { $0 } }

    func keep(_ threads: FileThreads, for user: UInt32) async throws {
        try await threads.run(for: user) {
            self.kept.withLock { $0 += 1 }
            _ = try self.pipe.fileHandleForReading.read(upToCount: 1)
        }
    }

    func end() { try? pipe.fileHandleForWriting.close() }
}
