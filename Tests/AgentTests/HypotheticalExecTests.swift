import ControlPlaneAPI
import Foundation
import Testing
import Workloads

@testable import Agent

/// Held against what this kernel does with the same files.
@Suite("Hypothetical exec")
final class HypotheticalExecTests {
    private let folder: String

    init() throws {
        let path = NSTemporaryDirectory() + "tidemark-exec-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        folder = FileOnDisk.real(path)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    private func file(_ name: String, _ content: String, mode: Int = 0o755) throws -> String {
        let path = "\(folder)/\(name)"
        try Data(content.utf8).write(to: URL(filePath: path))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
        return path
    }

    private func question(_ command: String..., uid: UInt32 = 0, path: String? = nil) -> ExecQuestion {
        ExecQuestion(
            command: command, searchPath: path ?? "\(folder):/usr/bin:/bin", workingDirectory: folder, userID: uid,
            groupID: uid, additionalGroupIDs: [7], cgroup: "/a.service/b", parent: 1, parentStart: 1,
            mountNamespace: nil,
        )
    }

    private func problem(_ question: ExecQuestion) -> Problem? {
        do throws(Problem) {
            _ = try HypotheticalExec(question)
            return nil
        } catch { return error }
    }

    /// What a program that prints its arguments prints.
    private func output(of path: String, _ arguments: [String]) throws -> String {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(filePath: path)
        process.arguments = arguments
        process.standardOutput = pipe
        try Self.run(process)
        let printed = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return String(decoding: printed, as: UTF8.self).trimmingCharacters(in: .newlines)
    }

    /// What another test starts holds the file open for writing until it executes, if it was forked while the file was written.
    private static func run(_ process: Process) throws {
        let deadline = ContinuousClock.now + .seconds(20)
        while true {
            do { return try process.run() } catch let error as CocoaError {
                let cause = error.underlying as? POSIXError
                guard cause?.code == .ETXTBSY, ContinuousClock.now < deadline else { throw error }
                usleep(10_000)
            }
        }
    }

    @Test(arguments: [
        "#!/bin/echo", "#!/bin/echo one two", "#! \t/bin/echo \t one  two \t ", "#!/bin/echo\u{0}hidden",
        "#!/bin/echo one\r", "#!/bin/echo " + String(repeating: "x", count: 300),
    ])
    func `argv of a script is what the kernel makes of it`(_ line: String) throws {
        let path = try file("script", line + "\n")
        let exec = try HypotheticalExec(question("script", "last", path: folder))
        #expect(try output(of: path, ["last"]) == exec.facts.arguments.dropFirst().joined(separator: " "))
        #expect(exec.facts.arguments.first == "/bin/echo")
        #expect(exec.facts.name == "script")
        // No interpreter, so no script is told.
        #expect(exec.facts.script == .init(path: ""))
        #expect(exec.facts.executable.path == FileOnDisk.real("/bin/echo"))
        #expect(exec.facts.systemdUnit == "a.service")
    }

    @Test func `interpreters follow each other as often as the kernel allows, and no further`() throws {
        var last = "/bin/echo"
        for depth in 1...HypotheticalExec.maximumInterpreters {
            last = try file("s\(depth)", "#!\(last) a\(depth)\n")
            let exec = try HypotheticalExec(question(last, "x"))
            #expect(try output(of: last, ["x"]) == exec.facts.arguments.dropFirst().joined(separator: " "))
            #expect(exec.facts.script == .init(path: ""))
            #expect(exec.facts.name == "s\(depth)")
        }
        let tooDeep = try file("deep", "#!\(last)\n")
        #expect(throws: (any Error).self) { try self.output(of: tooDeep, []) }
        #expect(problem(question(tooDeep))?.error == "interpreter_unusable")
    }

    @Test func `the name is that of the file asked for, cut at 15 bytes, the path without links, the hash the file's`()
        throws
    {
        let binary = try file("a-name-that-is-too-long", "\u{7f}ELFx")
        let link = folder + "/link"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: binary)
        let exec = try HypotheticalExec(question("link", "-v"))
        #expect(exec.facts.name == "link")
        #expect(exec.facts.executable.path == binary)
        #expect(
            exec.facts.executable.hash == "8d59ef30f8a783c47322ab13c943d9bd3cb5e4d9177bc0e4e11673bcd1bb483d")
        #expect(exec.facts.arguments == ["link", "-v"])
        // As the caller's folder has it, which is not the agent's.
        let near = try HypotheticalExec(question("./a-name-that-is-too-long"))
        #expect(near.facts.name == "a-name-that-is-" && near.facts.executable.path == binary)
        #expect(near.facts.executable.hash == exec.facts.executable.hash)
    }

    @Test(.asRoot) func `a script an interpreter is given is found from the working directory`() throws {
        _ = try file("x.sh", "echo", mode: 0o644)
        let exec = try HypotheticalExec(question("sh", "-e", "x.sh"))
        #expect(exec.facts.script?.path == folder + "/x.sh")
        #expect(exec.facts.script?.hash == "092c79e8f80e559e404bcf660c48f3522b67aba9ff1484b0367e1a4ddef7431d")
    }

    /// What is told of a command has to be what happens.
    @Test(.asRoot) func `a script that no process would be told to run is none here either`() throws {
        _ = try file("shell.sh", "#!/bin/sh\n", mode: 0o644)
        _ = try file("job.py", "", mode: 0o644)
        for command in [
            ["python3", "shell.sh"], ["python3", "-m", "job"], ["python3", "-X", "pycache_prefix=x", "shell.sh"],
        ] {
            var question = question("x")
            question.command = command
            let exec = try HypotheticalExec(question)
            #expect(
                exec.facts.script?.hash == nil && exec.steps.contains { $0.hasPrefix("its script cannot be told") },
                "\(command)")
        }
        #expect(try HypotheticalExec(question("sh", "shell.sh")).facts.script?.hash != nil)
    }

    @Test(.asRoot) func `a file that is neither program nor script is the shell's, as with execvp`() throws {
        let path = try file("plain", "echo hello\n")
        let exec = try HypotheticalExec(question("plain", "x"))
        #expect(exec.facts.arguments == ["/bin/sh", path, "x"])
        #expect(exec.facts.name == "sh")
        #expect(exec.facts.script?.path == path)
    }

    @Test func `an empty folder of PATH is the working directory, and a file that may not be executed is passed over`()
        throws
    {
        _ = try file("tool", "\u{7f}ELF", mode: 0o644)
        let other = folder + "/other"
        try FileManager.default.createDirectory(atPath: other, withIntermediateDirectories: true)
        let found = try file("other/tool", "\u{7f}ELF")
        #expect(try HypotheticalExec(question("tool", path: ":\(other)")).facts.executable.path == found)
        #expect(problem(question("tool", path: ""))?.error == "program_not_executable")
    }

    @Test func `what cannot be executed is refused with the place and a remedy`() throws {
        #expect(problem(question("no-such-program"))?.message.contains(folder) == true)
        #expect(problem(question("./nothing"))?.message.contains("\(folder)/./nothing") == true)
        let owners = try file("owners", "\u{7f}ELF", mode: 0o700)
        #expect(problem(question(owners)) == nil)
        let refused = try #require(problem(question(owners, uid: 1001)))
        #expect(refused.error == "program_not_executable")
        #expect(refused.message.contains("mode is 700") && refused.message.contains("--uid"))
        #expect(problem(question(folder))?.message.contains("not a regular file") == true)
        let lost = try file("lost", "#!/no/such/interpreter\n")
        #expect(problem(question(lost))?.message.contains("/no/such/interpreter") == true)
        #expect(problem(question(""))?.error == "command_missing")
    }

    @Test func `a set-uid program runs as its owner, really as the caller`() throws {
        let path = try file("suid", "\u{7f}ELF", mode: 0o4755)
        let facts = try HypotheticalExec(question(path, uid: 1001)).facts
        let owner = try #require(try FileManager.default.attributesOfItem(atPath: path)[.ownerAccountID] as? NSNumber)
        #expect(facts.userID == owner.uint32Value)
        #expect(facts.realUserID == 1001)
        #expect(facts.additionalGroupIDs == [7])
    }

    @Test func `argv is kept as far as the kernel part keeps it`() throws {
        let path = try file("tool", "\u{7f}ELF")
        let facts = try HypotheticalExec(question(path, String(repeating: "x", count: 2000), "end")).facts
        #expect(facts.argumentsTruncated)
        #expect(facts.arguments.joined(separator: "\u{0}").utf8.count == 1024)
    }

    @Test func `an interpreter's name that may go on behind what is read is none`() {
        let start = Array(("#!/" + String(repeating: "x", count: 300)).utf8.prefix(Shebang.bytes))
        #expect(Shebang(start) == .neither)
        #expect(Shebang(Array("#!".utf8)) == .neither)
        #expect(Shebang(Array("#! \n".utf8)) == .neither)
        #expect(Shebang([]) == .neither)
        #expect(Shebang(Array("#!/bin/sh".utf8)) == .interpreter("/bin/sh", argument: nil))
    }
}
