import Foundation
import Workloads

@testable import Kernel

/// A real process that runs an interpreter in a folder of its own, with the facts the kernel part would have of it.
final class RunningScript {
    let folder: URL
    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()
    let facts: ProcessFacts

    /// Says that it runs, and then waits until the test is over.
    static let waiting = "import sys\nprint('ready', flush=True)\nsys.stdin.read()\n"

    /// - Parameters:
    ///   - files: by their paths below the folder.
    ///   - arguments: of python3.
    init(_ arguments: [String], files: [String: String], shebang: String? = nil) throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "script-\(UUID().uuidString)")
        for (name, content) in files {
            let url = folder.appending(path: name)
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try content.write(to: url, atomically: false, encoding: .utf8)
        }
        let interpreter = URL(filePath: "/usr/bin/python3").resolvingSymlinksInPath().path()
        process.executableURL = URL(filePath: interpreter)
        process.arguments = arguments
        process.currentDirectoryURL = folder
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        _ = output.fileHandleForReading.availableData
        let version = try OpenFile(path: interpreter).version()
        facts = ProcessFacts(
            key: ProcessKey(pid: process.processIdentifier, startTime: 1000), userID: 1001, realUserID: 1001,
            groupID: 1001, name: "python3", arguments: ["python3"] + arguments,
            executable: .init(path: interpreter, device: version.device, inode: version.inode),
            script: shebang.map { .init(path: $0) },
        )
    }

    var image: ProcessImage { ProcessImage(process: facts.key, number: 1) }

    func write(_ text: String, to name: String) throws {
        try text.write(to: folder.appending(path: name), atomically: false, encoding: .utf8)
    }

    deinit {
        try? input.fileHandleForWriting.close()
        process.waitUntilExit()
        try? FileManager.default.removeItem(at: folder)
    }
}
