import Crypto
import Foundation
import SPIFFE
import Testing

@Suite("Key directory")
final class KeyDirectoryTests {
    let url = FileManager.default.temporaryDirectory.appending(path: "tidemark-keys-\(UUID().uuidString)")

    deinit { try? FileManager.default.removeItem(at: url) }

    private func mode(_ name: String = "") throws -> Int? {
        let path = name.isEmpty ? url.path : url.appending(path: name).path
        return (try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber)?.intValue
    }

    private func setMode(_ mode: Int, of name: String = "") throws {
        let path = name.isEmpty ? url.path : url.appending(path: name).path
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }

    @Test func `a new directory and its keys are their owner's alone`() throws {
        let directory = try KeyDirectory(opening: url)
        let key = try directory.signingKey("a.key")
        #expect(try mode() == 0o700)
        #expect(try mode("a.key") == 0o600)
        #expect(try directory.signingKey("a.key").rawRepresentation == key.rawRepresentation)
        #expect(try FileManager.default.contentsOfDirectory(atPath: url.path) == ["a.key"])
    }

    @Test func `a file is replaced as a whole and stays its owner's alone`() throws {
        let directory = try KeyDirectory(opening: url)
        #expect(try directory.read("a") == nil)
        try directory.write("one", to: "a")
        try directory.write("two", to: "a")
        #expect(try directory.read("a") == "two")
        #expect(try mode("a") == 0o600)
    }

    @Test(arguments: [0o755, 0o710, 0o701, 0o770])
    func `a directory others can enter is refused with the remedy`(_ mode: Int) throws {
        _ = try KeyDirectory(opening: url)
        try setMode(mode)
        let error = try #require(throws: KeyDirectoryError.self) { try KeyDirectory(opening: url) }
        #expect("\(error)".contains("chmod 0700 \(url.path)"))
    }

    @Test(arguments: [0o644, 0o640, 0o604, 0o602])
    func `a key others can reach is refused with the remedy`(_ mode: Int) throws {
        let directory = try KeyDirectory(opening: url)
        _ = try directory.signingKey("a.key")
        try setMode(mode, of: "a.key")
        let error = try #require(throws: KeyDirectoryError.self) { try directory.signingKey("a.key") }
        #expect("\(error)".contains("chmod 0600"))
    }

    @Test func `a damaged key is refused, not replaced`() throws {
        let directory = try KeyDirectory(opening: url)
        try directory.write("not a key", to: "a.key")
        #expect(throws: KeyDirectoryError.notAKey(path: url.appending(path: "a.key").path)) {
            try directory.signingKey("a.key")
        }
        #expect(try directory.read("a.key") == "not a key")
    }
}
