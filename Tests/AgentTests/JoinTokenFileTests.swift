import Agent
import Foundation
import Testing

@Suite("Join token's file")
struct JoinTokenFileTests {
    @Test(arguments: [(0o600, true), (0o400, true), (0o644, false), (0o604, false), (0o602, false), (0o666, false)])
    func `one that other users can read or write is refused`(_ mode: Int, _ isFine: Bool) throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "join-token-\(UUID())")
        defer { try? FileManager.default.removeItem(at: file) }
        try Data("secret".utf8).write(to: file)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file.path)
        if isFine {
            try JoinTokenFile.check(file.path)
        } else {
            #expect(throws: AgentError.self) { try JoinTokenFile.check(file.path) }
        }
    }
}
