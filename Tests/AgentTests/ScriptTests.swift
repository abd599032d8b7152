import Foundation
import Testing
import Workloads

@testable import Agent
@testable import Kernel

/// Which interpreter is believed, and which file is opened for it.
@Suite("Scripts") struct ScriptTests {
    private static let python = URL(filePath: "/usr/bin/python3").resolvingSymlinksInPath().path()
    private static let pythonName = URL(filePath: python).lastPathComponent

    private func find(
        _ script: RunningScript, _ arguments: [String]? = nil, shebang: String? = nil, told: [String] = [],
    ) throws(ScriptDoubt) -> FoundScript? {
        var facts = script.facts
        if let arguments { facts.arguments = ["python3"] + arguments }
        if let shebang { facts.script = .init(path: shebang) }
        return try FoundScript.of(facts, interpreters: KnownInterpreters(told))
    }

    private func doubt(_ script: RunningScript, _ arguments: [String]? = nil, shebang: String? = nil) -> ScriptDoubt? {
        do throws(ScriptDoubt) {
            _ = try find(script, arguments, shebang: shebang)
            return nil
        } catch { return error }
    }

    // MARK: The interpreter

    @Test(.asRoot)
    func `one's own program under an interpreter's name is believed only where the agent was told of it`() throws {
        let script = try RunningScript(
            ["x.py"], files: ["x.py": RunningScript.waiting], interpreter: .copy(owner: 1001))
        #expect("\(try #require(doubt(script)))".contains("its interpreter \(script.interpreter) is not root's"))
        #expect(try find(script, told: [script.interpreter])?.found.path.hasSuffix("/x.py") == true)
        #expect(doubt(script, shebang: "x.py") == doubt(script))
    }

    @Test(.asRoot) func `root's program is believed only in folders that others cannot write`() throws {
        let script = try RunningScript(["x.py"], files: ["x.py": RunningScript.waiting], interpreter: .copy(owner: 0))
        guard case .interpreter(.writable(script.interpreter, let place, mode: _))? = doubt(script) else {
            Issue.record("\(String(describing: doubt(script)))")
            return
        }
        #expect(script.interpreter.hasPrefix(place + "/"))
    }

    @Test(.asRoot) func `without a script nobody asks whose the interpreter is`() throws {
        let script = try RunningScript(
            ["x.py"], files: ["x.py": RunningScript.waiting], interpreter: .copy(owner: 1001))
        #expect(try find(script, ["-c", "code"]) == nil)
    }

    @Test func `the interpreters of Debian are root's`() {
        let known = KnownInterpreters()
        for path in [Self.python, "/usr/bin/perl", "/usr/bin/dash", "/usr/bin/bash"] {
            #expect(known.doubt(aboutFileAt: path) == nil, "\(path)")
        }
    }

    @Test(arguments: [
        (FileStanding(path: "/a", owner: 0, mode: 0o755), nil),
        (FileStanding(path: "/a", owner: 0, mode: 0o4755), nil),
        (FileStanding(path: "/a", owner: 7, mode: 0o755), InterpreterDoubt.owned("/a/p", place: "/a", by: 7)),
        (FileStanding(path: "/a", owner: 0, mode: 0o775), .writable("/a/p", place: "/a", mode: 0o775)),
        (FileStanding(path: "/a", owner: 0, mode: 0o1777), .writable("/a/p", place: "/a", mode: 0o1777)),
        (FileStanding(path: "/a", owner: 0, mode: 0o755, isForeignMedia: true), .broughtAlong("/a/p", place: "/a")),
    ])
    func `who else could have put it there is looked at on the whole path`(
        _ middle: FileStanding, _ expected: InterpreterDoubt?,
    ) {
        let ends = [FileStanding(path: "/", owner: 0, mode: 0o755), FileStanding(path: "/a/p", owner: 0, mode: 0o755)]
        #expect(KnownInterpreters.doubt(about: "/a/p", [ends[0], middle, ends[1]]) == expected)
        #expect(KnownInterpreters.doubt(about: "/a/p", [ends[0], ends[1], middle]) == expected)
    }

    @Test func `a path that anybody can make is no interpreter's, whoever was told`() {
        let foreign = ProcessFacts.Executable(path: Self.python, device: 1, inode: 1, pathIsForeign: true)
        let nameless = ProcessFacts.Executable(path: "", device: 1, inode: 1)
        let known = KnownInterpreters([Self.python, ""])
        #expect(known.doubt(aboutPathOf: foreign) == .foreign(Self.python))
        #expect(known.doubt(aboutPathOf: nameless) == .nameless)
    }

    // MARK: What else runs

    /// By binfmt_misc, which anybody can fill in a user namespace of his own, root's curl was started with a trusted script for a word.
    @Test(.asRoot) func `what was started for another reason than the script's first line is not that script`() throws {
        let script = try RunningScript(
            ["x.py"],
            files: [
                "x.py": RunningScript.waiting, "own": "#!/usr/bin/env -S X=1 python3 -I\n", "shell": "#! /bin/sh -e\n",
            ])
        #expect(doubt(script, shebang: "own") == nil && doubt(script, ["own"]) == nil && doubt(script, ["x.py"]) == nil)
        #expect(doubt(script, shebang: "x.py") == .commandLine(.otherInterpreter(Self.pythonName, named: nil)))
        let other = ScriptDoubt.commandLine(.otherInterpreter(Self.pythonName, named: "sh"))
        #expect(doubt(script, shebang: "shell") == other && doubt(script, ["shell"]) == other)
        #expect(Interpreter.doubt(aboutFirstLine: [], executable: "/usr/bin/env", isShebang: true) != nil)
    }

    @Test(.asRoot, arguments: [["-m", "job"], ["-P", "-m", "job"], ["-X", "pycache_prefix=own", "-m", "job"]])
    func `a module is told only where no compiled code can stand in for it`(_ arguments: [String]) throws {
        let files = ["job.py": RunningScript.waiting, "x.py": RunningScript.waiting]
        let open = try RunningScript(["x.py"], files: files)
        #expect(doubt(open, arguments) != nil)
        let closed = try RunningScript(["x.py"], files: files, isRootsAlone: true)
        #expect((doubt(closed, arguments) == nil) == (arguments == ["-m", "job"]))
    }

    // MARK: What is opened

    @Test(.asRoot) func `files of the kernel's own are not opened, whoever names them`() throws {
        let script = try RunningScript(["x.py"], files: ["x.py": RunningScript.waiting])
        for path in ["/proc/kmsg", "/proc/1/environ", "/sys/devices/system/cpu/online"] {
            #expect(doubt(script, [path]) == .file(.ofKernel(path: path)))
        }
    }

    @Test(.asRoot) func `what is no regular file is not opened: nobody waits at a pipe`() throws {
        let script = try RunningScript(["x.py"], files: ["x.py": RunningScript.waiting])
        let pipe = script.folder.appending(path: "pipe").path()
        #expect(mkfifo(pipe, 0o666) == 0)
        for path in ["pipe", pipe, "/dev/zero", "."] {
            #expect(doubt(script, [path]) == .file(.notRegular(path: path)))
        }
    }

    /// Who names a file must be able to read it.
    @Test(.asRoot) func `a file is opened by the process's right alone`() throws {
        let script = try RunningScript(
            ["x.py"],
            files: [
                "x.py": RunningScript.waiting, "own": "", "group": "", "roots": "", "closed/file": "", "open/file": "",
            ],
            userID: 1001, options: ["--groups=2002"])
        let folder = script.folder.path()
        for (name, owner, group, mode): (String, uid_t, gid_t, mode_t) in [
            ("own", 1001, 0, 0o600), ("group", 0, 2002, 0o640), ("roots", 0, 0, 0o600), ("closed", 0, 0, 0o700),
        ] {
            #expect(chown(folder + "/" + name, owner, group) == 0 && chmod(folder + "/" + name, mode) == 0)
        }
        for name in ["own", "group", "open/file", "x.py"] {
            #expect(doubt(script, [name]) == nil && doubt(script, ["\(folder)/\(name)"]) == nil, "\(name)")
        }
        for name in ["roots", "closed/file", "\(folder)/roots", "open/../closed/file"] {
            #expect(doubt(script, [name]) == .file(.refused(path: name, errno: EACCES)), "\(name)")
        }
        // The agent itself can still read all of them.
        #expect(throws: Never.self) { try OpenFile(path: folder + "/roots") }
    }

    @Test(.asRoot) func `who stands in a folder needs no right to the way there`() throws {
        let script = try RunningScript(["x.py"], files: ["x.py": RunningScript.waiting, "y/x": ""], userID: 1001)
        let outer = script.folder.path()
        #expect(symlink("y/x", outer + "/inside") == 0 && symlink(outer + "/y/x", outer + "/outside") == 0)
        try script.closeTheWay()
        #expect(doubt(script, ["x.py"]) == nil && doubt(script, ["inside"]) == nil)
        #expect(doubt(script, [outer + "/x.py"]) == .file(.refused(path: outer + "/x.py", errno: EACCES)))
        #expect(doubt(script, ["outside"]) == .file(.refused(path: "outside", errno: EACCES)))
    }

    @Test(.asRoot) func `root without the right to pass over modes has none here either`() throws {
        let script = try RunningScript(
            ["x.py"], files: ["x.py": RunningScript.waiting, "others": ""], userID: 0,
            options: ["--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"])
        let path = script.folder.path() + "/others"
        #expect(chown(path, 1001, 1001) == 0 && chmod(path, 0o600) == 0)
        #expect(doubt(script, ["others"]) == .file(.refused(path: "others", errno: EACCES)))
        let strong = try RunningScript(["x.py"], files: ["x.py": RunningScript.waiting], userID: 0)
        #expect(doubt(strong, [path]) == nil)
    }

    /// Another namespace's mount of the same folder, with a file of one's own over the trusted one: the interpreter reads
    /// that one.
    @Test(.asRoot) func `a working directory of another mount namespace has no name here`() throws {
        let script = try RunningScript(
            ["x.py"], files: ["x.py": RunningScript.elsewhere, "trusted.py": "trusted", "evil.py": "evil"])
        let folder = script.folder.resolvingSymlinksInPath().path()
        for name in ["trusted.py", "./trusted.py", "../in/trusted.py"] {
            guard case .file(.workingDirectoryUnknown)? = doubt(script, [name]) else {
                Issue.record("\(name): \(String(describing: doubt(script, [name])))")
                continue
            }
        }
        let found = try find(script, [folder + "/trusted.py"])
        #expect(try found?.found.file.read(upTo: 100, at: 0) == Array("trusted".utf8))
    }

    @Test(.asRoot) func `nor has one that was removed`() throws {
        let script = try RunningScript(["x.py"], files: ["x.py": RunningScript.waiting])
        #expect(rename(script.folder.path(), script.folder.path() + "-moved") == 0)
        #expect(doubt(script, ["x.py"]) == nil)
        try FileManager.default.removeItem(atPath: script.folder.path() + "-moved")
        guard case .file(.workingDirectoryUnknown)? = doubt(script, ["x.py"]) else {
            Issue.record("\(String(describing: doubt(script, ["x.py"])))")
            return
        }
    }

    // MARK: What is replaced

    @Test(.asRoot) func `an executable that was replaced or removed is told, and keeps its hash`() throws {
        let script = try RunningScript(
            ["x.py"], files: ["x.py": RunningScript.waiting], interpreter: .copy(owner: 0))
        let files = ProcessFiles(of: script.facts.key.pid)
        #expect(try !files.isReplaced(script.facts.executable))
        try Data("other".utf8).write(to: URL(filePath: script.interpreter), options: .atomic)
        #expect(try files.isReplaced(script.facts.executable))
        #expect(unlink(script.interpreter) == 0)
        #expect(try files.isReplaced(script.facts.executable))
        #expect(throws: Never.self) { try files.executable(script.facts.executable) }
    }

    @Test func `files opened ahead are bounded, and no user has more than are left`() {
        var opened = OpenedAhead(limit: 8)
        func add(_ user: UInt32, _ pid: Int32) -> Bool {
            guard opened.hasRoom(for: user, { $0.pid != 1 }) else { return false }
            let process = ProcessKey(pid: pid, startTime: 1)
            opened.add(.init(), [.scriptHash], of: ProcessImage(process: process, number: 1), for: user)
            return true
        }
        #expect((1...8).map { add(1001, $0) } == [true, true, true, true, true, false, false, false])
        #expect(add(1002, 20))
        #expect(!add(1001, 21))
        let image = ProcessImage(process: ProcessKey(pid: 20, startTime: 1), number: 1)
        #expect(opened.take(image, [.binaryHash]) == nil && opened.take(image, [.scriptHash]) == nil)
        #expect(opened.count == 4)
    }
}
