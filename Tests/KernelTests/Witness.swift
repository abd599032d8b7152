import Foundation

/// The workload in C, of the folder `programs`.
enum Witness {
    private static let program = CProgram("witness", sources: ["witness.c", "ring.c"])

    /// Copies it; everybody may run it, nobody but root may write it.
    ///
    /// - Returns: its path.
    static func install(as name: String, in folder: URL) throws -> String {
        try program.install(as: name, in: folder)
    }
}

/// A program of the folder `programs`, compiled once a run.
struct CProgram {
    private let image: Result<Data, any Error>

    init(_ name: String, sources: [String]) {
        image = Result { try Self.compile(name, sources) }
    }

    func install(as name: String, in folder: URL) throws -> String {
        let file = folder.appending(path: name)
        try image.get().write(to: file, options: .atomic)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file.path())
        return file.path()
    }

    private static func compile(_ name: String, _ sources: [String]) throws -> Data {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "programs")
        let output = FileManager.default.temporaryDirectory.appending(path: "tidemark-\(name)-\(getpid())")
        defer { try? FileManager.default.removeItem(at: output) }
        let files = sources.map { folder.appending(path: $0).path() }
        let arguments = ["-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", output.path()] + files
        let compiler = try Process.run(URL(filePath: "/usr/bin/cc"), arguments: arguments)
        compiler.waitUntilExit()
        guard compiler.terminationStatus == 0 else { throw POSIXError(.ENOEXEC) }
        return try Data(contentsOf: output)
    }
}
