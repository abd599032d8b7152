import Foundation

/// The workload in C, of the folder `programs`, compiled once a run.
enum Witness {
    /// Copies it; everybody may run it, nobody but root may write it.
    ///
    /// - Returns: its path.
    static func install(as name: String, in folder: URL) throws -> String {
        let file = folder.appending(path: name)
        try image.get().write(to: file, options: .atomic)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file.path())
        return file.path()
    }

    private static let image = Result { try compile() }

    private static func compile() throws -> Data {
        let sources = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "programs")
        let output = FileManager.default.temporaryDirectory.appending(path: "tidemark-witness-\(getpid())")
        defer { try? FileManager.default.removeItem(at: output) }
        let files = ["witness.c", "ring.c"].map { sources.appending(path: $0).path() }
        let arguments = ["-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", output.path()] + files
        let compiler = try Process.run(URL(filePath: "/usr/bin/cc"), arguments: arguments)
        compiler.waitUntilExit()
        guard compiler.terminationStatus == 0 else { throw POSIXError(.ENOEXEC) }
        return try Data(contentsOf: output)
    }
}
