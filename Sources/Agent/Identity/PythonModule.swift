import Kernel
import Workloads

/// Where `python -m` finds a module: along the working directory, then the folders that belong to the interpreter. As
/// importlib does: a package before a module, a module before a folder without `__init__.py`.
///
/// Not looked at, as only the running interpreter knows it: PYTHONPATH, `.pth` files, zip files, a user's own site-packages, and those
/// of a virtual environment whose python was not started by its path.
struct PythonModule {
    private let name: [ArraySlice<UInt8>]
    private let text: String
    private let executable: [UInt8]
    private let program: [UInt8]
    private let fromFolder: Bool

    typealias Look = (String) throws(FileError) -> ProcessView.Kind?

    enum Place: Equatable {
        case file(String)
        case doubt(Doubt)
    }

    enum Doubt: Error, Equatable, CustomStringConvertible {
        case notFound(String)
        /// What runs is no text, or something runs before it that is none.
        case compiled(String)
        /// PYTHONSAFEPATH decides which, and that cannot be seen.
        case ambiguous(String, other: String)
        case unknownInterpreter(String)
        /// Compiled code can stand in for it there.
        case writable(String, place: String)

        var description: String {
            switch self {
            case .notFound(let name):
                "no file of Python module \(name) in the working directory or the interpreter's own folders; "
                    + "start it by its path"
            case .compiled(let path): "\(path) is what Python would load, and no script; start the module by its path"
            case .ambiguous(let path, let other):
                "the module could be \(path), or with PYTHONSAFEPATH \(other); start it by its path"
            case .writable(let path, let place):
                "Python may run compiled code in the place of \(path), as \(place) is not root's alone; start it by its path"
            case .unknownInterpreter(let path):
                "where \(path) looks for modules is not known, as it is not named python3.N; start the module by its path"
            }
        }
    }

    /// - Parameter fromFolder: whether the working directory comes first.
    init(_ name: String, of facts: ProcessFacts, fromFolder: Bool) {
        text = name
        self.name = name.namedBytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        executable = facts.executable.path.namedBytes
        program = facts.arguments.first?.namedBytes ?? []
        self.fromFolder = fromFolder
    }

    /// - Parameter look: what stands at a path, relative to the working directory or absolute.
    func place(_ look: Look) throws(FileError) -> Place {
        guard !name.contains(where: \.isEmpty) else { return .doubt(.notFound(text)) }
        guard let own = folders else { return .doubt(.unknownInterpreter(String(naming: executable))) }
        let elsewhere = try find(along: own, look)
        guard fromFolder else { return elsewhere }
        let here = try find(along: [[]] + own, look)
        if case .file(let path) = here, case .file(let other) = elsewhere, path != other {
            return .doubt(.ambiguous(path, other: other))
        }
        return here
    }

    private func find(along folders: [[UInt8]], _ look: Look) throws(FileError) -> Place {
        var folders = folders
        for part in name.dropLast() {
            switch try find(part, along: folders, look) {
            case .package(let inside): folders = inside
            case .module: return .doubt(.notFound(text))
            case .doubt(let doubt): return .doubt(doubt)
            case nil: return .doubt(.notFound(text))
            }
        }
        guard let last = name.last, let found = try find(last, along: folders, look) else {
            return .doubt(.notFound(text))
        }
        switch found {
        case .module(let path): return .file(path)
        case .doubt(let doubt): return .doubt(doubt)
        case .package(let inside):
            guard case .module(let path)? = try find(Array("__main__".utf8)[...], along: inside, look) else {
                return .doubt(.notFound(text))
            }
            return .file(path)
        }
    }

    private enum Found {
        case module(String)
        /// Folders in which its parts are looked for; each ends with a slash.
        case package([[UInt8]])
        case doubt(Doubt)
    }

    private func find(_ part: ArraySlice<UInt8>, along folders: [[UInt8]], _ look: Look) throws(FileError) -> Found? {
        var portions: [[UInt8]] = []
        for folder in folders {
            let path = folder + part
            let isFolder = try look(String(naming: path)) == .folder
            if isFolder, let found = try load(path + "/__init__".utf8, look) {
                if case .doubt = found { return found }
                return .package([path + [UInt8(ascii: "/")]])
            }
            if let found = try load(path, look) { return found }
            if isFolder { portions.append(path + [UInt8(ascii: "/")]) }
        }
        return portions.isEmpty ? nil : .package(portions)
    }

    /// One file, in the order in which Python tries the endings: extension, source, bytecode.
    private func load(_ stem: [UInt8], _ look: Look) throws(FileError) -> Found? {
        for ending in Self.compiledEndings(of: version) {
            let path = String(naming: stem + ending.utf8)
            if try look(path) == .file { return .doubt(.compiled(path)) }
        }
        let source = String(naming: stem + ".py".utf8), bytecode = String(naming: stem + ".pyc".utf8)
        if try look(source) == .file { return .module(source) }
        return try look(bytecode) == .file ? .doubt(.compiled(bytecode)) : nil
    }

    private static func compiledEndings(of version: String) -> [String] {
        let platforms = ["x86_64-linux-gnu", "aarch64-linux-gnu", "x86_64-linux-musl", "aarch64-linux-musl"]
        let tagged = ["", "d", "t", "td"].flatMap { flavour in
            platforms.map { ".cpython-\(version)\(flavour)-\($0).so" }
        }
        return tagged + [".abi3.so", ".so"]
    }

    // MARK: The interpreter's own folders

    /// `311` of `python3.11`.
    private var version: String {
        String(decoding: base.dropFirst("python".utf8.count).filter { $0 != UInt8(ascii: ".") }, as: UTF8.self)
    }

    private var base: ArraySlice<UInt8> { executable.split(separator: UInt8(ascii: "/")).last ?? [] }

    /// In Python's order, each with a slash at its end; nil for an interpreter of another name.
    private var folders: [[UInt8]]? {
        let digits = base.dropFirst("python3.".utf8.count)
        guard base.starts(with: "python3.".utf8), !digits.isEmpty, digits.allSatisfy({ (0x30...0x39).contains($0) }),
            let prefix = Self.prefix(of: executable)
        else { return nil }
        let environment = program.contains(UInt8(ascii: "/")) ? Self.prefix(of: program) : nil
        let own = Array("/lib/".utf8) + base
        var folders: [[UInt8]] = [prefix + own + "/".utf8, prefix + own + "/lib-dynload/".utf8]
        if let environment, environment != prefix { folders.append(environment + own + "/site-packages/".utf8) }
        folders.append(prefix + "/local".utf8 + own + "/dist-packages/".utf8)
        folders.append(prefix + own + "/site-packages/".utf8)
        folders.append(prefix + "/lib/python3/dist-packages/".utf8)
        return folders
    }

    /// `/usr` of `/usr/bin/python3.11`.
    private static func prefix(of program: [UInt8]) -> [UInt8]? {
        let parts = program.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard parts.count > 2, parts[parts.count - 2].elementsEqual("bin".utf8) else { return nil }
        return Array(parts.dropLast(2).joined(separator: [UInt8(ascii: "/")]))
    }
}
