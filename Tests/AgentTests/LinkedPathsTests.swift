import Foundation
import SPIFFE
import Testing
import Workloads

@testable import Agent

@Suite struct LinkedPathsTests {
    private static func identity(_ path: String) -> WorkloadIdentity {
        let condition = Condition(anyOf: [.text(path), .prefix("/nowhere/")])
        return WorkloadIdentity(
            name: "a", agentGroup: "g", workloadID: "a",
            selectors: [Selector(userIDs: [1]), Selector(conditions: [.binaryPath: condition])])
    }

    private static func process(_ path: String) -> ProcessFacts {
        ProcessFacts(
            key: ProcessKey(pid: 1, startTime: 1), userID: 1, realUserID: 1, groupID: 1, name: "a", arguments: ["a"],
            executable: .init(path: path, device: 1, inode: 2))
    }

    @Test func `a link, also in a folder above, is told with the file it leads to; a file and nothing at all are not`()
        throws
    {
        let made = URL(filePath: "/tmp/tidemark-\(UUID().uuidString.prefix(8))", directoryHint: .isDirectory)
        defer { try? FileManager.default.removeItem(at: made) }
        let folder = made.appending(path: "real", directoryHint: .isDirectory)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let file = folder.appending(path: "program")
        try Data("x".utf8).write(to: file)
        let link = made.appending(path: "link"), above = made.appending(path: "above")
        try FileManager.default.createSymbolicLink(at: link, withDestinationURL: file)
        try FileManager.default.createSymbolicLink(at: above, withDestinationURL: folder)
        for path in [link.path, above.path + "/program"] {
            let remarks = LinkedPaths.remarks(on: Self.identity(path))
            #expect(remarks.count == 1)
            #expect(remarks[0].hasPrefix("spec.selectors[1] process:binary:path: \(path) is a symbolic link"))
            #expect(remarks[0].hasSuffix("write \(file.path)"))
            let asked = Self.identity(path).selectors
            #expect(LinkedPaths.notes(on: Self.process(file.path), asked: asked).count == 1)
            #expect(LinkedPaths.notes(on: Self.process("/usr/bin/other"), asked: asked).isEmpty)
        }
        for path in [file.path, made.path + "/missing"] {
            #expect(LinkedPaths.remarks(on: Self.identity(path)).isEmpty)
        }
    }
}
