import Foundation
import Workloads

@testable import Kernel

/// A real process that runs an interpreter in a folder of its own, with the facts the kernel part would have of it.
final class RunningScript {
    private let outer: URL
    let folder: URL
    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()
    let facts: ProcessFacts
    let interpreter: String

    enum Interpreter {
        case debians
        /// In a folder of everybody's.
        case copy(owner: uid_t)
    }

    /// Says that it runs, and then waits until the test is over.
    static let waiting = "import sys\nprint('ready', flush=True)\nsys.stdin.read()\n"

    /// The same in another thread: the first one has ended by then.
    static let retired = """
        import ctypes, os, platform, sys, threading, time
        def go_on():
            while open(f"/proc/self/task/{os.getpid()}/stat").read().rpartition(")")[2].split()[0] != "Z":
                time.sleep(0.01)
            print("ready", flush=True)
            sys.stdin.read()
            os._exit(0)
        threading.Thread(target=go_on).start()
        ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[platform.machine()], 0)

        """

    /// A daemon: its child goes elsewhere, and is who works.
    static let daemon = """
        import os, sys
        ready, told = os.pipe()
        if not os.fork():
            os.chdir(sys.argv[1])
            os.write(told, b"there")
            sys.stdin.read()
            os._exit(0)
        os.read(ready, 5)
        print("ready", flush=True)
        sys.stdin.read()

        """

    /// Goes to the root, and gives up root, once there is a file `go`.
    static let leaving = """
        import os, sys, time
        print("ready", flush=True)
        while not os.path.exists("go"):
            time.sleep(0.01)
        os.chdir("/")
        os.setresuid(65534, 65534, 65534)
        sys.stdin.read()

        """

    /// Stands where a child of it stands, in a mount namespace of its own with evil.py over trusted.py.
    static let elsewhere = """
        import ctypes, os, sys
        libc = ctypes.CDLL(None, use_errno=True)
        ready, told = os.pipe()
        child = os.fork()
        if not child:
            failed = libc.unshare(0x20000) or libc.mount(b"none", b"/", None, 0x44000, None)
            failed = failed or libc.mount(b"evil.py", b"trusted.py", None, 0x1000, None)
            os.write(told, b"no" if failed else b"ok")
            sys.stdin.read()
            os._exit(0)
        if os.read(ready, 2) == b"ok":
            os.chdir(f"/proc/{child}/cwd")
        print("ready", flush=True)
        sys.stdin.read()

        """

    /// - Parameters:
    ///   - files: by their paths below the folder.
    ///   - arguments: of python3.
    ///   - isRootsAlone: nobody else can write the folder, or one above it.
    ///   - userID: nil: the test's own; the facts tell 1001 all the same.
    ///   - options: of setpriv(1), beside that.
    init(
        _ arguments: [String], files: [String: String], shebang: String? = nil,
        interpreter kind: Interpreter = .debians, isRootsAlone: Bool = false,
        userID: UInt32? = nil, options: [String] = [],
    ) throws {
        // Everybody can write in the one, nobody but root in the other.
        let place = isRootsAlone ? URL(filePath: "/var/lib") : FileManager.default.temporaryDirectory
        outer = place.appending(path: "tidemark-script-\(UUID().uuidString)")
        folder = outer.appending(path: "in")
        for (name, content) in files {
            let url = folder.appending(path: name)
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try content.write(to: url, atomically: false, encoding: .utf8)
        }
        let interpreter = try Self.interpreter(kind, in: folder)
        self.interpreter = interpreter
        process.executableURL = URL(filePath: userID == nil ? interpreter : "/usr/bin/setpriv")
        let groups = options.contains { $0.hasPrefix("--groups") } ? [] : ["--clear-groups"]
        process.arguments = (userID.map { ["--reuid=\($0)"] + groups + options + [interpreter] } ?? []) + arguments
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

    private static func interpreter(_ kind: Interpreter, in folder: URL) throws -> String {
        let debians = URL(filePath: "/usr/bin/python3").resolvingSymlinksInPath()
        guard case .copy(let owner) = kind else { return debians.path() }
        let path = folder.resolvingSymlinksInPath().path() + "/bin"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try Data(contentsOf: debians).write(to: URL(filePath: path + "/python3"))
        guard chmod(path + "/python3", 0o755) == 0, chmod(path, 0o777) == 0, chown(path + "/python3", owner, owner) == 0
        else { throw POSIXError(.EPERM) }
        return path + "/python3"
    }

    /// Nobody but root finds the folder from now on who does not stand in it already.
    func closeTheWay() throws {
        guard chmod(outer.path(), 0o700) == 0 else { throw POSIXError(.EPERM) }
    }

    /// Its child, as the kernel part would have it: what its parent is.
    func child() throws -> ProcessFacts {
        let pid = facts.key.pid
        let children = try String(contentsOfFile: "/proc/\(pid)/task/\(pid)/children", encoding: .utf8)
        guard let child = children.split(separator: " ").first.flatMap({ Int32($0) }) else { throw POSIXError(.ESRCH) }
        var facts = facts
        facts.parent = facts.key
        facts.key = ProcessKey(pid: child, startTime: 1001)
        return facts
    }

    /// By which it runs its script, as the kernel part would have seen it a while ago.
    func execution(executed: UInt64? = nil, isShared: Bool = false) throws -> Execution {
        func folder(_ name: String) throws -> Execution.Folder {
            let descriptor = open("/proc/\(facts.key.pid)/\(name)", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            defer { close(descriptor) }
            guard let folder = Execution.Folder(of: descriptor) else { throw POSIXError(.ENOENT) }
            return folder
        }
        return Execution(
            program: image,
            surroundings: .init(
                root: try folder("root"), working: try folder("cwd"), isShared: isShared, executed: executed))
    }

    var image: ProcessImage { ProcessImage(process: facts.key, number: 1) }

    /// Of ``leaving``.
    func leave() throws {
        try write("", to: "go")
        while try String(contentsOfFile: "/proc/\(facts.key.pid)/status", encoding: .utf8).contains("Uid:\t0") {
            usleep(10_000)
        }
    }

    func write(_ text: String, to name: String) throws {
        try text.write(to: folder.appending(path: name), atomically: false, encoding: .utf8)
    }

    deinit {
        try? input.fileHandleForWriting.close()
        process.waitUntilExit()
        try? FileManager.default.removeItem(at: outer)
    }
}
