import ArgumentParser
import ControlPlaneAPI
import Foundation
import Glibc
import Workloads

/// Who would execute the command of `explain --exec`: this program's own caller where nothing else is said.
struct CallerOption: ParsableArguments {
    @Option(help: "With --exec: the uid, real and effective. Default: the caller's.")
    var uid: UInt32?

    @Option(
        help: "With --exec: the gid, real and effective; additional groups stay the caller's. Default: the caller's.")
    var gid: UInt32?

    @Option(help: "With --exec: the working directory. Default: the caller's.")
    var cwd: String?

    @Option(help: "With --exec: the cgroup, as below the mount of cgroup v2. Default: the caller's.")
    var cgroup: String?

    var isGiven: Bool { uid != nil || gid != nil || cwd != nil || cgroup != nil }

    func check() throws {
        if let cwd, !cwd.hasPrefix("/") { throw ValidationError("--cwd takes a path that begins with /.") }
        if let cgroup, !cgroup.hasPrefix("/") {
            throw ValidationError(
                "--cgroup takes a path below the cgroup mount, as in /proc/PID/cgroup; it begins with /.")
        }
        if uid == .max || gid == .max { throw ValidationError("4294967295 is no id: the kernel takes it for none.") }
    }

    func question(_ command: [String]) -> ExecQuestion {
        let parent = getppid()
        return ExecQuestion(
            command: Self.words(command), searchPath: Self.searchPath,
            workingDirectory: cwd.map(Self.asGiven) ?? Self.ownFolder, userID: uid ?? geteuid(),
            groupID: gid ?? getegid(), additionalGroupIDs: Self.groups,
            cgroup: cgroup.map(Self.asGiven) ?? Self.ownCgroup,
            parent: parent, parentStart: Self.start(of: parent),
            mountNamespace: try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/mnt"),
        )
    }

    /// The name before the fields, in parentheses, may hold anything. proc(5).
    private static func start(of pid: Int32) -> UInt64 {
        let text = (try? Data(contentsOf: URL(filePath: "/proc/\(pid)/stat"))) ?? Data()
        let fields = (text.split(separator: UInt8(ascii: ")")).last ?? Data()).split(separator: UInt8(ascii: " "))
        return fields.count > 19 ? UInt64(String(decoding: fields[19], as: UTF8.self)) ?? 0 : 0
    }

    private static var groups: [UInt32] {
        var groups = [gid_t](repeating: 0, count: Int(max(getgroups(0, nil), 0)))
        let count = getgroups(CInt(groups.count), &groups)
        return Array(groups.prefix(Int(max(count, 0))))
    }

    private static var ownCgroup: String {
        let text = (try? Data(contentsOf: URL(filePath: "/proc/self/cgroup"))) ?? Data()
        return text.split(separator: UInt8(ascii: "\n")).first { $0.starts(with: "0::".utf8) }
            .map { String(naming: $0.dropFirst(3)) } ?? "/"
    }

    private static var searchPath: String? {
        getenv("PATH").map { String(naming: bytes(of: $0)) }
    }

    private static var ownFolder: String {
        guard let folder = getcwd(nil, 0) else { return "/" }
        defer { free(folder) }
        return String(naming: bytes(of: folder))
    }

    /// The end of the command line as it was given: the parser has repaired what is not UTF-8.
    private static func words(_ command: [String]) -> [String] {
        let given = commandLine.suffix(command.count)
        guard given.map({ String(decoding: $0, as: UTF8.self) }) == command else { return command }
        return given.map { String(naming: $0) }
    }

    /// The value of an option in the same way: a word of its own, or behind `=`. Where several could be meant, none is.
    private static func asGiven(_ value: String) -> String {
        let words = commandLine.flatMap { [$0[...], $0.drop { $0 != UInt8(ascii: "=") }.dropFirst()] }
        let given = Set(words.filter { String(decoding: $0, as: UTF8.self) == value }.map { String(naming: $0) })
        return given.count == 1 ? given.first ?? value : value
    }

    private static var commandLine: [[UInt8]] {
        (0..<Int(CommandLine.argc)).compactMap { CommandLine.unsafeArgv[$0].map(bytes(of:)) }
    }

    private static func bytes(of text: UnsafeMutablePointer<CChar>) -> [UInt8] {
        (0..<strlen(text)).map { UInt8(bitPattern: text[$0]) }
    }
}
