import Kernel
import Workloads

/// Which executables are believed to do with a script what an interpreter of their name does.
///
/// Root's own, which nobody else could have put there; and those the agent was told of.
package struct KnownInterpreters: Sendable {
    private let told: Set<[UInt8]>

    /// - Parameter paths: `interpreters` of the agent's configuration: absolute, without symbolic links.
    package init(_ paths: [String] = []) { told = Set(paths.map(\.namedBytes)) }

    /// nil: it is one.
    func doubt(about executable: ProcessFacts.Executable, _ files: ProcessFiles) -> ScriptDoubt? {
        do throws(FileError) {
            let file = try files.executable(executable)
            if let doubt = doubt(aboutPathOf: executable) { return .interpreter(doubt) }
            guard !isTold(executable.path) else { return nil }
            let folders = try files.standings(to: Self.folder(of: executable.path))
            guard let own = file.standing(as: executable.path) else { throw .notRegular(path: executable.path) }
            return Self.doubt(about: executable.path, folders + [own]).map { .interpreter($0) }
        } catch { return .file(error) }
    }

    /// The same of a file as the agent finds it.
    func doubt(aboutFileAt path: String) -> ScriptDoubt? {
        guard !isTold(path) else { return nil }
        do throws(FileError) {
            return Self.doubt(about: path, try ProcessFiles.own.standings(to: path)).map { .interpreter($0) }
        } catch { return .file(error) }
    }

    private func isTold(_ path: String) -> Bool { told.contains(path.namedBytes) }

    func doubt(aboutPathOf executable: ProcessFacts.Executable) -> InterpreterDoubt? {
        if executable.path.isEmpty { return .nameless }
        return executable.pathIsForeign ? .foreign(executable.path) : nil
    }

    /// - Parameter standings: of the folders on its path, and its own.
    static func doubt(about interpreter: String, _ standings: [FileStanding]) -> InterpreterDoubt? {
        for standing in standings {
            if standing.isForeignMedia { return .broughtAlong(interpreter, place: standing.path) }
            if standing.owner != 0 { return .owned(interpreter, place: standing.path, by: standing.owner) }
            // A sticky folder as well: others can put a link to any file into it.
            if standing.mode & 0o022 != 0 { return .writable(interpreter, place: standing.path, mode: standing.mode) }
        }
        return nil
    }

    private static func folder(of path: String) -> String {
        let bytes = path.namedBytes
        let end = bytes.lastIndex(of: UInt8(ascii: "/")) ?? 0
        return end == 0 ? "/" : String(naming: bytes[..<end])
    }
}

extension FileStanding {
    /// Nobody else could have put it there, or what is in it.
    var isRootsAlone: Bool { KnownInterpreters.doubt(about: path, [self]) == nil }
}

/// Why an executable is not believed to be the interpreter it is named as.
package enum InterpreterDoubt: Error, Equatable, CustomStringConvertible {
    case owned(String, place: String, by: UInt32)
    case writable(String, place: String, mode: UInt32)
    case broughtAlong(String, place: String)
    case foreign(String)
    case nameless

    package var description: String {
        switch self {
        case .owned(let path, let place, let owner):
            "its interpreter \(path) is not root's: \(Self.named(place, path)) belongs to uid \(owner); " + Self.remedy
        case .writable(let path, let place, let mode):
            "its interpreter \(path) is not root's alone: \(Self.named(place, path)) has mode \(String(mode, radix: 8)); "
                + Self.remedy
        case .broughtAlong(let path, let place):
            "its interpreter \(path) is on what users bring along: \(Self.named(place, path)) is mounted nosuid; "
                + Self.remedy
        case .foreign(let path):
            "its interpreter \(path) lies below another root, or in a mount namespace that anybody can make; "
                + "ask for process:binary:hash and argv"
        case .nameless: "its interpreter is in no folder; ask for process:binary:hash and argv"
        }
    }

    private static let remedy = "name it in `interpreters` of agent.yaml if it is to be believed"

    private static func named(_ place: String, _ path: String) -> String { place == path ? "it" : place }
}
