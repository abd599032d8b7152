import Agent
import Foundation
import Glibc
import Testing

@Suite("Join token's file")
struct JoinTokenFileTests {
    @Test(arguments: [(0o600, true), (0o400, true), (0o644, false), (0o604, false), (0o602, false), (0o666, false)])
    func `one that other users can read or write is refused`(_ mode: Int, _ isFine: Bool) throws {
        try Self.with(mode: mode) { try Self.expect(isFine, of: $0) }
    }

    @Test(
        .asRoot,
        arguments: [
            (0o640, 0, true), (0o660, 0, true), (0o600, 1001, true), (0o640, 1001, false), (0o620, 1001, false),
            (0o610, 1001, false), (0o644, 0, false),
        ])
    func `one that a group can read or write is refused, unless it is that of root`(
        _ mode: Int, _ group: Int, _ isFine: Bool
    ) throws {
        try Self.with(mode: mode) { path in
            try #require(chown(path, 0, gid_t(group)) == 0)
            try Self.expect(isFine, of: path)
        }
    }

    @Test func `neither a symbolic link nor a pipe is read`() throws {
        try Self.with(mode: 0o600) { path in
            let (link, pipe) = (path + ".link", path + ".pipe")
            defer { for name in [link, pipe] { unlink(name) } }
            try #require(symlink(path, link) == 0 && mkfifo(pipe, 0o600) == 0)
            for name in [link, pipe] {
                let error = #expect(throws: AgentError.self) { try JoinTokenFile.read(name) }
                #expect(error.map { "\($0)".contains("no regular file") } == true)
            }
        }
    }

    private static func expect(_ isFine: Bool, of path: String) throws {
        if isFine {
            #expect(try JoinTokenFile.read(path) == "secret")
        } else {
            let error = #expect(throws: AgentError.self) { try JoinTokenFile.read(path) }
            #expect(error.map { "\($0)".contains("other users could have read") } == true)
        }
    }

    private static func with(mode: Int, _ body: (String) throws -> Void) throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "join-token-\(UUID())")
        defer { try? FileManager.default.removeItem(at: file) }
        try Data("secret".utf8).write(to: file)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file.path)
        try body(file.path)
    }
}
