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
        // A process that another test starts at this moment has a copy of the descriptor until it executes its program; so
        // long nothing is remembered of the file. Root alone can ask.
        while getuid() == 0, !(try OpenFile(path: url.path()).hasNoWriter) { usleep(1000) }
        return url.path()
    }

    private func hash(_ text: String) -> String {
        SHA256.hash(data: Data(text.utf8)).map { String(format: "%02x", $0) }.joined()
    }

    private func leave() { try? FileManager.default.removeItem(at: folder) }

    @Test(.asRoot) func `a hash is that of the content, and the second time nothing is read`() async throws {
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
        var bounds = FileHasher.Bounds()
        bounds.fileBytes = 10
        let path = try write("eleven byte")
        let error = await #expect(throws: FileHashError.self) {
            try await FileHasher(bounds: bounds).hash(of: OpenFile(path: path))
        }
        #expect(error == .tooLarge(path: path, bytes: 11, limit: 10))
        #expect("\(FileHasher.Bounds().fileBytes)" == "1073741824")
    }

    @Test func `what is no regular file is not even opened for reading`() throws {
        defer { leave() }
        let pipe = folder.appending(path: "pipe").path()
        #expect(mkfifo(pipe, 0o600) == 0)
        // Opening a pipe for reading would wait for a writer.
        #expect(throws: FileError.notRegular(path: pipe)) { try OpenFile(path: pipe) }
        #expect(throws: FileError.notRegular(path: "/dev/null")) { try OpenFile(path: "/dev/null") }
        #expect(throws: FileError.notRegular(path: folder.path())) { try OpenFile(path: folder.path()) }
        #expect(throws: FileError.refused(path: "/nowhere", errno: ENOENT)) { try OpenFile(path: "/nowhere") }
    }

    @Test func `what grows while it is read has no hash`() async throws {
        defer { leave() }
        let path = try write(String(repeating: "x", count: 3000))
        var bounds = FileHasher.Bounds()
        bounds.chunkBytes = 1000
        bounds.bytesPerSecond = 1000
        let file = try OpenFile(path: path)
        let hasher = FileHasher(bounds: bounds, now: Self.later)
        let result = Task { try await hasher.hash(of: file) }
        while await hasher.filesRead == 0 { await Task.yield() }
        let handle = try FileHandle(forWritingTo: URL(filePath: path))
        try handle.seekToEnd()
        try handle.write(contentsOf: Data("more".utf8))
        await #expect(throws: FileHashError.changed(path: path)) { try await result.value }
        // It is whole by now.
        #expect(try await FileHasher().hash(of: file) == hash(String(repeating: "x", count: 3000) + "more"))
    }

    @Test(.asRoot) func `of many files the ones used last are remembered`() async throws {
        defer { leave() }
        var bounds = FileHasher.Bounds()
        bounds.remembered = 4
        let hasher = FileHasher(bounds: bounds, now: Self.later)
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

    @Test(.asRoot) func `many at once are all answered, and read once where they are the same`() async throws {
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

    // MARK: Changes that leave no trace

    /// Of this machine: the temporary folder is the root file system's.
    private static let shared = "/dev/shm"

    /// Writes one byte through a shared mapping, which stays until the closure is done.
    private func mapped(_ path: String, _ body: (UnsafeMutableRawBufferPointer) async throws -> Void) async throws {
        let descriptor = open(path, O_RDWR)
        try #require(descriptor >= 0)
        let memory = try #require(mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0))
        close(descriptor)
        defer { munmap(memory, 4096) }
        try await body(UnsafeMutableRawBufferPointer(start: memory, count: 4096))
    }

    private func expect(_ hasher: FileHasher, _ path: String, _ content: String) async throws {
        let found = try await hasher.hash(of: OpenFile(path: path))
        #expect(found == hash(content))
    }

    @Test func `what is changed through a mapping that is dirty already is another content`() async throws {
        defer { leave() }
        let path = try write("one")
        let hasher = FileHasher(now: Self.later)
        var unseen = 0
        try await mapped(path) { memory in
            // The kernel may write the page to the disk in between; the change after that shows.
            for _ in 1...20 where unseen == 0 {
                memory[0] = UInt8(ascii: "O")
                let before = try OpenFile(path: path).version()
                try await expect(hasher, path, "One")
                memory[0] = UInt8(ascii: "0")
                if try OpenFile(path: path).version() == before { unseen += 1 }
                try await expect(hasher, path, "0ne")
            }
        }
        #expect(unseen == 1, "the attack was performed: nothing but the content showed the change")
    }

    @Test func `nothing is remembered of a file in memory, whose time of change can stand still`() async throws {
        let path = "\(Self.shared)/hasher-\(UUID().uuidString)"
        defer { unlink(path) }
        try "one".write(toFile: path, atomically: false, encoding: .utf8)
        let hasher = FileHasher(now: Self.later)
        #expect(try await hasher.hash(of: OpenFile(path: path)) == hash("one"))
        #expect(try await hasher.hash(of: OpenFile(path: path)) == hash("one"))
        #expect(await hasher.filesRead == 2)
        try await mapped(path) { memory in
            memory[0] = UInt8(ascii: "O")
            try await expect(hasher, path, "One")
            memory[0] = UInt8(ascii: "0")
            try await expect(hasher, path, "0ne")
        }
    }

    @Test(.asRoot, arguments: [(uid_t(1001), mode_t(0o644)), (0, 0o664), (0, 0o646)])
    func `nothing is remembered of a file that others than root may write`(_ owner: uid_t, _ mode: mode_t) async throws
    {
        defer { leave() }
        let path = try write("one")
        let hasher = FileHasher(now: Self.later)
        try #require(chown(path, owner, owner) == 0 && chmod(path, mode) == 0)
        for _ in 1...2 { #expect(try await hasher.hash(of: OpenFile(path: path)) == hash("one")) }
        #expect(await hasher.filesRead == 2)
    }

    @Test(.asRoot) func `nothing is remembered of a file that somebody has open for writing`() async throws {
        defer { leave() }
        let path = try write("one")
        let hasher = FileHasher(now: Self.later)
        let writer = open(path, O_WRONLY)
        for _ in 1...2 { #expect(try await hasher.hash(of: OpenFile(path: path)) == hash("one")) }
        #expect(await hasher.filesRead == 2)
        close(writer)
        for _ in 1...2 { #expect(try await hasher.hash(of: OpenFile(path: path)) == hash("one")) }
        #expect(await hasher.filesRead == 3)
    }

    @Test func `looking for writers neither stops one nor ends the agent`() async throws {
        defer { leave() }
        let path = try write("one")
        let writing = Task.detached {
            for _ in 0..<2000 { _ = close(open(path, O_WRONLY)) }
        }
        for _ in 0..<2000 { _ = try OpenFile(path: path).hasNoWriter }
        await writing.value
        #expect(try OpenFile(path: path).hasNoWriter)
    }

    // MARK: Everybody's turn

    @Test func `holes are hashed as the zeros they are, without being read`() async throws {
        defer { leave() }
        let path = try write("one")
        try #require(truncate(path, 1 << 20) == 0)
        let zeros = String(repeating: "\0", count: (1 << 20) - 3)
        #expect(try await FileHasher().hash(of: OpenFile(path: path)) == hash("one" + zeros))
        // The kernel stores whole pages of it.
        guard case .hole(let bytes) = try OpenFile(path: path).piece(upTo: 1 << 16, at: 1 << 16, before: 1 << 20) else {
            Issue.record("a hole was read")
            return
        }
        #expect(bytes == (1 << 20) - (1 << 16))
    }

    @Test func `a gigabyte of holes is refused before it costs anything`() async throws {
        defer { leave() }
        let path = try write("one")
        try #require(truncate(path, 1 << 30) == 0)
        await #expect(throws: FileHashError.sparse(path: path, limit: 16 << 20)) {
            try await FileHasher().hash(of: OpenFile(path: path))
        }
    }

    @Test func `a file whose process has ended is not read to its end`() async throws {
        defer { leave() }
        var bounds = FileHasher.Bounds()
        bounds.chunkBytes = 10
        let path = try write(String(repeating: "x", count: 1000))
        let looks = Mutex(0)
        let isWanted: @Sendable () -> Bool = {
            looks.withLock {
                $0 += 1
                return $0 < 3
            }
        }
        await #expect(throws: FileHashError.notWanted(path: path)) {
            try await FileHasher(bounds: bounds).hash(of: OpenFile(path: path), while: isWanted)
        }
        #expect(looks.withLock { $0 } == 3)
    }

    @Test func `a small file does not wait for another user's large ones`() async throws {
        defer { leave() }
        let large = try write(String(repeating: "x", count: 20_000_000), to: "large")
        let small = try write("small", to: "small")
        var bounds = FileHasher.Bounds()
        // A slow disk: each large file takes four seconds, all of them more than half a minute.
        bounds.bytesPerSecond = 5_000_000
        bounds.chunkBytes = 100_000
        let hasher = FileHasher(bounds: bounds, now: Self.later)
        let largeFile = try OpenFile(path: large)
        let smallFile = try OpenFile(path: small)
        let first = await withTaskGroup(of: String.self) { group in
            for _ in 1...10 {
                group.addTask {
                    _ = try? await hasher.hash(of: largeFile, for: 1002)
                    return "large"
                }
            }
            while await hasher.filesRead < 2 { await Task.yield() }
            group.addTask {
                _ = try? await hasher.hash(of: smallFile, for: 1001)
                return "small"
            }
            defer { group.cancelAll() }
            return await group.next()
        }
        #expect(first == "small")
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
