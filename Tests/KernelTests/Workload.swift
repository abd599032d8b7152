import Foundation

/// A real process running ``workloadProgram``, in the caller's cgroup and network namespace.
final class Workload {
    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()

    /// - Parameter script: its file name; argv is `python3 <script>`.
    convenience init(_ script: String, userID: UInt32, folder: URL) throws {
        try workloadProgram.write(to: folder.appending(path: script), atomically: true, encoding: .utf8)
        try self.init(["python3", script], userID: userID, folder: folder)
    }

    /// - Parameters:
    ///   - command: a program that answers commands, and its argv; the first word is both.
    ///   - options: of setpriv(1), beside the uid.
    init(_ command: [String], userID: UInt32, options: [String] = [], folder: URL) throws {
        process.executableURL = URL(filePath: "/usr/bin/setpriv")
        let groups = options.contains { $0.hasPrefix("--groups") } ? [] : ["--clear-groups"]
        process.arguments = ["--reuid=\(userID)"] + groups + options + command
        process.environment = ["PATH": "/usr/bin:/bin"]
        process.currentDirectoryURL = folder
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        guard try answer() == "ready" else { throw Failure.notReady }
    }

    var pid: Int32 { process.processIdentifier }
    var outputDescriptor: CInt { output.fileHandleForReading.fileDescriptor }

    /// Sends a command and waits for its answer.
    func run(_ command: String) throws -> String {
        try send(command)
        return try answer()
    }

    func send(_ command: String) throws {
        try input.fileHandleForWriting.write(contentsOf: Data((command + "\n").utf8))
    }

    func answer() throws -> String {
        var line: [UInt8] = []
        // One wait for the whole line: it is written at once.
        guard awaitInput(outputDescriptor, milliseconds: 60_000) else { throw Failure.silent }
        while let byte = try output.fileHandleForReading.read(upToCount: 1)?.first {
            if byte == UInt8(ascii: "\n") { return String(decoding: line, as: UTF8.self) }
            line.append(byte)
        }
        throw Failure.ended
    }

    /// Sends a command that puts another program in the place of this one, and waits until that is ready.
    func become(_ command: String) throws {
        let answered = try run(command)
        guard answered == "ready" else { throw Failure.remains(answered) }
    }

    /// It ends by itself then.
    func dismiss() {
        try? input.fileHandleForWriting.close()
    }

    func stop() {
        dismiss()
        process.waitUntilExit()
    }

    enum Failure: Error {
        case notReady, ended, silent
        /// With its answer: why it is no other program.
        case remains(String)
    }
}
