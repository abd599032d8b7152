import Crypto
import Foundation
import Synchronization
import Testing

@testable import Agent
@testable import Kernel

@Suite("File hasher") struct FileHasherTests {
    private let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "hasher-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    /// Long after whatever a test wrote.
    private static let later: @Sendable () -> Duration = { .sinceEpoch + .seconds(60) }

    private func write(_ text: String, to name: String = "x.py") throws -> String {
        let url = folder.appending(path: name)
        try text.write(to: url, atomically: false, encoding: .utf8)
        return url.path()
    }

    private func hash(_ text: String) -> String {
        SHA256.hash(data: Data(text.utf8)).map { String(format: "%02x", $0) }.joined()
    }

    private func leave() { try? FileManager.default.removeItem(at: folder) }

    @Test func `a hash is that of the content, and the second time nothing is read`() async throws {
        defer { leave() }
        let path = try write("print('hello')\n")
        let hasher = FileHasher(now: Self.later)
        #expect(try await hasher.hash(of: OpenFile(path: path)) == hash("print('hello')\n"))
        #expect(try await hasher.hash(of: OpenFile(path: path)) == hash("print('hello')\n"))
        #expect(await hasher.filesRead == 1)
    }

    @Test func `an empty file has a hash`() async throws {
        defer { leave() }
        #expect(try await FileHasher().hash(of: OpenFile(path: write(""))) == hash(""))
    }

    @Test func `a file longer than one read is hashed whole`() async throws {
        defer { leave() }
        let text = String(repeating: "tidemark", count: 400_001)
        #expect(try await FileHasher().hash(of: OpenFile(path: write(text))) == hash(text))
    }

    @Test func `another content of the same file is read again`() async throws {
        defer { leave() }
        let hasher = FileHasher(now: Self.later)
        let path = try write("one")
        let before = try OpenFile(path: path).version()
        #expect(try await hasher.hash(of: OpenFile(path: path)) == hash("one"))
        while try OpenFile(path: path).version().changed == before.changed { _ = try write("two") }
        #expect(try await hasher.hash(of: OpenFile(path: path)) == hash("two"))
        #expect(await hasher.filesRead == 2)
    }

    @Test func `a change that the clock of the file system does not show is seen all the same`() async throws {
        defer { leave() }
        let hasher = FileHasher()
        let path = try write("one")
        // Less than two seconds old: it may be written again within the same tick, in the same length.
        #expect(try await hasher.hash(of: OpenFile(path: path)) == hash("one"))
        _ = try write("two")
        #expect(try await hasher.hash(of: OpenFile(path: path)) == hash("two"))
        #expect(await hasher.filesRead == 2)
    }

    @Test func `a file put in the place of another is another file`() async throws {
        defer { leave() }
        let hasher = FileHasher(now: Self.later)
        let path = try write("one")
        let running = try OpenFile(path: path)
        #expect(try await hasher.hash(of: running) == hash("one"))
        try FileManager.default.moveItem(atPath: write("two", to: "new"), toPath: path + ".new")
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.moveItem(atPath: path + ".new", toPath: path)
        #expect(try await hasher.hash(of: OpenFile(path: path)) == hash("two"))
        // What is open stays what it was.
        #expect(try await hasher.hash(of: running) == hash("one"))
    }

    @Test func `a file above the limit is refused, and the reason names both sizes`() async throws {
        defer { leave() }
        var limits = FileHasher.Limits()
        limits.fileBytes = 10
        let path = try write("eleven byte")
        let error = await #expect(throws: FileHashError.self) {
            try await FileHasher(limits: limits).hash(of: OpenFile(path: path))
        }
        #expect(error == .tooLarge(path: path, bytes: 11, limit: 10))
        #expect("\(FileHasher.Limits().fileBytes)" == "1073741824")
    }

    @Test func `what is no regular file is not even opened for reading`() throws {
        defer { leave() }
        let pipe = folder.appending(path: "pipe").path()
        #expect(mkfifo(pipe, 0o600) == 0)
        // Opening a pipe for reading would wait for a writer.
        #expect(throws: KernelError.notRegularFile(path: pipe)) { try OpenFile(path: pipe) }
        #expect(throws: KernelError.notRegularFile(path: "/dev/null")) { try OpenFile(path: "/dev/null") }
        #expect(throws: KernelError.notRegularFile(path: folder.path())) { try OpenFile(path: folder.path()) }
        #expect(throws: KernelError.fileRefused(path: "/nowhere", errno: ENOENT)) { try OpenFile(path: "/nowhere") }
    }

    @Test func `what grows while it is read has no hash`() async throws {
        defer { leave() }
        let path = try write(String(repeating: "x", count: 3000))
        var limits = FileHasher.Limits()
        limits.chunkBytes = 1000
        limits.bytesPerSecond = 1000
        let file = try OpenFile(path: path)
        let hasher = FileHasher(limits: limits, now: Self.later)
        let result = Task { try await hasher.hash(of: file) }
        while await hasher.filesRead == 0 { await Task.yield() }
        let handle = try FileHandle(forWritingTo: URL(filePath: path))
        try handle.seekToEnd()
        try handle.write(contentsOf: Data("more".utf8))
        await #expect(throws: FileHashError.changed(path: path)) { try await result.value }
        // It is whole by now.
        #expect(try await FileHasher().hash(of: file) == hash(String(repeating: "x", count: 3000) + "more"))
    }

    @Test func `of many files the ones used last are remembered`() async throws {
        defer { leave() }
        var limits = FileHasher.Limits()
        limits.remembered = 4
        let hasher = FileHasher(limits: limits, now: Self.later)
        for number in 0..<5 {
            _ = try await hasher.hash(of: OpenFile(path: write("\(number)", to: "\(number)")))
            _ = try await hasher.hash(of: OpenFile(path: folder.appending(path: "0").path()))
        }
        #expect(await hasher.filesRead == 5)
        _ = try await hasher.hash(of: OpenFile(path: folder.appending(path: "0").path()))
        #expect(await hasher.filesRead == 5)
        _ = try await hasher.hash(of: OpenFile(path: folder.appending(path: "1").path()))
        #expect(await hasher.filesRead == 6)
    }

    @Test func `many at once are all answered, and read once where they are the same`() async throws {
        defer { leave() }
        let path = try write(String(repeating: "x", count: 100_000))
        let hasher = FileHasher(now: Self.later)
        let hashes = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<50 { group.addTask { try await hasher.hash(of: OpenFile(path: path)) } }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(hashes == [hash(String(repeating: "x", count: 100_000))])
        // Two may start side by side before the first is remembered.
        #expect(await hasher.filesRead <= 2)
    }

    @Test func `reading is spread over time, and an idle while buys a tenth of a second`() {
        let start = ContinuousClock.now
        var pace = ReadingPace(bytesPerSecond: 1000, start: start)
        #expect(pace.take(100, at: start) == .zero)
        #expect(pace.take(500, at: start) == .milliseconds(500))
        #expect(pace.take(500, at: start + .milliseconds(500)) == .milliseconds(500))
        #expect(pace.take(100, at: start + .seconds(10)) == .zero)
        #expect(pace.take(100, at: start + .seconds(10)) == .milliseconds(100))
    }
}
