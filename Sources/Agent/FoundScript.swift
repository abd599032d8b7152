import Kernel
import Workloads

/// The file an interpreter runs, found as the interpreter finds it.
struct FoundScript: Sendable {
    let file: OpenFile
    /// Absolute, as the process sees it, without symbolic links.
    let path: String

    /// - Returns: nil where the process runs no script.
    static func of(_ facts: ProcessFacts, _ files: ProcessFiles) throws(KernelError) -> FoundScript? {
        let script = Interpreter.script(
            executable: facts.executable.path, arguments: facts.arguments, shebang: facts.script?.path,
        )
        switch script {
        case nil: return nil
        case .file(let path)?: return try FoundScript(path, files)
        case .pythonModule(let name)?: return try FoundScript(module: name, of: facts, files)
        }
    }

    private init(_ path: String, _ files: ProcessFiles) throws(KernelError) {
        (file, self.path) = try files.file(at: path)
    }

    /// The first of the places that is there. Only that nothing is there leads to the next one: of a place that cannot be
    /// read it is not known what Python found.
    private init(module: String, of facts: ProcessFacts, _ files: ProcessFiles) throws(KernelError) {
        for path in PythonModule(module, of: facts).places {
            do throws(KernelError) {
                try self.init(path, files)
                return
            } catch {
                guard error.saysNothingIsThere else { throw error }
            }
        }
        throw .pythonModuleNotFound(module)
    }
}

extension KernelError {
    fileprivate var saysNothingIsThere: Bool {
        if case .fileRefused(_, let code) = self { code == Self.notThere || code == Self.notAFolder } else { false }
    }

    /// ENOENT and ENOTDIR.
    private static let notThere: Int32 = 2
    private static let notAFolder: Int32 = 20
}

/// Where `python -m` looks for a module: the working directory, then the folders that belong to the interpreter.
///
/// Not looked at, as only the running interpreter knows it: PYTHONPATH, `.pth` files, zip files, and site-packages of a
/// virtual environment whose python was not started by its path.
struct PythonModule {
    private let name: String
    private let executable: String
    private let program: String

    init(_ name: String, of facts: ProcessFacts) {
        self.name = name
        executable = facts.executable.path
        program = facts.arguments.first ?? ""
    }

    /// Candidates in Python's order, relative to the working directory or absolute.
    var places: [String] {
        let file = name.split(separator: ".").joined(separator: "/")
        return folders.flatMap { ["\($0)\(file)/__main__.py", "\($0)\(file).py"] }
    }

    /// Each ends with a slash, or is empty: the working directory.
    private var folders: [String] {
        let own = executable.split(separator: "/").last.map(String.init) ?? ""
        guard own.hasPrefix("python3."), let prefix = Self.prefix(of: executable) else { return [""] }
        let environment = program.contains("/") ? Self.prefix(of: program) : nil
        return [
            "", "\(prefix)/lib/\(own)/", environment.map { "\($0)/lib/\(own)/site-packages/" },
            "\(prefix)/local/lib/\(own)/dist-packages/", "\(prefix)/lib/\(own)/site-packages/",
            "\(prefix)/lib/python3/dist-packages/",
        ].compactMap(\.self)
    }

    /// `/usr` of `/usr/bin/python3.11`.
    private static func prefix(of program: String) -> String? {
        var parts = program.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count > 2, parts[parts.count - 2] == "bin" else { return nil }
        parts.removeLast(2)
        return parts.joined(separator: "/")
    }
}
