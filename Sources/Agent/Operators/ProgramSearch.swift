import ControlPlaneAPI
import Crypto
import Kernel
import Limits
import Workloads

/// Finds the file a command names, as execvp(3) does.
struct ProgramSearch {
    private let caller: Caller

    init(_ caller: Caller) { self.caller = caller }

    /// - Returns: the path that would be given to the kernel.
    func find(_ command: [String]) throws(Problem) -> String {
        guard let word = command.first, !word.isEmpty else {
            throw Problem(.commandMissing, message: "--exec is followed by a command, found none")
        }
        guard !word.contains("/") else { return try check(word) }
        let places = caller.searchPath.split(separator: ":", omittingEmptySubsequences: false)
            .map { $0.isEmpty ? word : "\($0)/\(word)" }
        let found = places.compactMap { path in FileOnDisk(caller.absolute(path)).map { (path, $0) } }
        if let (path, _) = found.first(where: { $0.1.isRegular && $0.1.canBeExecuted(by: caller) }) { return path }
        // Like EACCES: one that may not be executed is told of only where no other is found.
        if let (path, status) = found.first { throw Self.refused(path, status, caller) }
        throw Problem(
            .programNotFound,
            message:
                "\(word) is in none of the folders of PATH (\(caller.searchPath)); give its path, or set PATH as the "
                + "process would have it",
        )
    }

    private func check(_ path: String) throws(Problem) -> String {
        guard let status = FileOnDisk(caller.absolute(path)) else {
            throw Problem(
                .programNotFound,
                message:
                    "there is no file \(caller.absolute(path)); check the path, or set --cwd to where it is relative to",
            )
        }
        guard status.isRegular, status.canBeExecuted(by: caller) else { throw Self.refused(path, status, caller) }
        return path
    }

    private static func refused(_ path: String, _ status: FileOnDisk, _ caller: Caller) -> Problem {
        Problem(
            .programNotExecutable,
            message: "\(caller.absolute(path)) \(status.objection(to: caller)); \(status.remedy)")
    }
}

/// A file's status, symbolic links followed.
struct FileOnDisk {
    private let status: FileStatus

    /// nil where there is none.
    init?(_ path: String) {
        guard let status = FileStatus(path: path) else { return nil }
        self.status = status
    }

    var isRegular: Bool { status.isRegular }
    var kind: ProcessView.Kind { status.isRegular ? .file : status.isFolder ? .folder : .other }
    var inode: UInt64 { status.inode }
    var device: UInt64 { status.device }
    private var mode: Int { status.mode }
    private var owner: UInt32 { status.owner }

    /// By its mode; root needs any of the three bits.
    func canBeExecuted(by caller: Caller) -> Bool {
        let bits =
            if caller.userID == 0 {
                0o111
            } else if caller.userID == owner {
                0o100
            } else if caller.groupID == status.group || caller.groups.contains(status.group) {
                0o010
            } else {
                0o001
            }
        return mode & bits != 0
    }

    /// Why it cannot be executed.
    func objection(to caller: Caller) -> String {
        guard isRegular else { return "is not a regular file" }
        return "may not be executed by uid \(caller.userID): its mode is \(String(mode, radix: 8)), its owner \(owner)"
    }

    var remedy: String {
        isRegular ? "chmod +x it, or ask as another user with --uid" : "name the program in it"
    }

    /// A set-uid file changes who runs it; scripts do not get here.
    func userID(for caller: UInt32) -> UInt32 { mode & 0o4000 != 0 ? owner : caller }

    /// Without the group's right to execute, the set-gid bit means something else.
    func groupID(for caller: UInt32) -> UInt32 { mode & 0o2010 == 0o2010 ? status.group : caller }

    /// Without symbolic links, as the kernel names an executable.
    static func real(_ path: String) -> String { FileStatus.resolved(path) ?? path }

    /// SHA-256 in lower-case hex; nil for what cannot be read or is too long.
    static func hash(_ path: String) -> String? {
        guard let status = FileStatus(path: path), status.isRegular,
            status.bytes <= Limits.Files.bytes, let file = try? OpenFile(path: path)
        else { return nil }
        var digest = SHA256()
        var offset: Int64 = 0
        while let bytes = try? file.read(upTo: Limits.Files.chunkBytes, at: offset), !bytes.isEmpty {
            digest.update(data: bytes)
            offset += Int64(bytes.count)
            // It grows while it is read.
            guard offset <= Limits.Files.bytes else { return nil }
        }
        return digest.finalize().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
