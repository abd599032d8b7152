import Foundation

/// Commands that are really run, each in a folder of its own, to see which file says that it ran.
///
/// One process runs them all: each fork of the test's own would hold the files of other tests open for a moment.
struct InterpreterTrial: Codable {
    /// By their paths below the folder.
    var files: [String: String]
    var command: [String]
    var input = ""

    private static let driver = #"""
        import json, os, shutil, subprocess, sys, tempfile
        ran = []
        for trial in json.load(sys.stdin):
            folder = os.path.realpath(tempfile.mkdtemp())
            for name, content in trial["files"].items():
                path = os.path.join(folder, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w") as file:
                    file.write(content)
            environment = {"PATH": "/usr/bin:/bin", "HOME": folder}
            said = subprocess.run(
                trial["command"], cwd=folder, env=environment, input=trial["input"].encode(), stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL).stdout.decode(errors="replace")
            lines = [line[4:] for line in said.splitlines() if line.startswith("RAN ")]
            ran.append(os.path.relpath(os.path.join(folder, lines[0]), folder) if lines else None)
            shutil.rmtree(folder)
        json.dump(ran, sys.stdout)
        """#

    /// Beside the cooperative pool, as it waits.
    ///
    /// - Returns: of each the file that ran first, from its folder; nil where none did.
    static func run(_ trials: [InterpreterTrial]) async throws -> [String?] {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async { continuation.resume(with: Result { try runNow(trials) }) }
        }
    }

    private static func runNow(_ trials: [InterpreterTrial]) throws -> [String?] {
        let process = Process()
        let input = Pipe(), output = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/python3")
        process.arguments = ["-c", driver]
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        try input.fileHandleForWriting.write(contentsOf: try JSONEncoder().encode(trials))
        try input.fileHandleForWriting.close()
        let said = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return try JSONDecoder().decode([String?].self, from: said)
    }
}
