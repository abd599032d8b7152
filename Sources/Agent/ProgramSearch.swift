import ControlPlaneAPI
import Crypto
import Foundation
import Glibc
import Workloads

/// Finds the file a command names, as execvp(3) does.
struct ProgramSearch {
    private let caller: Caller

    init(_ caller: Caller) { self.caller = caller }

    /// - Returns: the path that would be given to the kernel.
    func find(_ command: [String]) throws(Problem) -> String {
        guard let word = command.first, !word.isEmpty else {
            throw Problem(error: "command_missing", message: "--exec is followed by a command, found none")
        }
        guard !word.contains("/") else { return try check(word) }
        let places = caller.searchPath.split(separator: ":", omittingEmptySubsequences: false)
            .map { $0.isEmpty ? word : "\($0)/\(word)" }
        let found = places.compactMap { path in FileOnDisk(caller.absolute(path)).map { (path, $0) } }
        if let (path, _) = found.first(where: { $0.1.isRegular && $0.1.canBeExecuted(by: caller) }) { return path }
        // Like EACCES: one that may not be executed is told of only where no other is found.
        if let (path, status) = found.first { throw Self.refused(path, status, caller) }
        throw Problem(
            error: "program_not_found",
            message:
                "\(word) is in none of the folders of PATH (\(caller.searchPath)); give its path, or set PATH as the "
                + "process would have it",
        )
    }

    private func check(_ path: String) throws(Problem) -> String {
        guard let status = FileOnDisk(caller.absolute(path)) else {
            throw Problem(
                error: "program_not_found",
                message:
                    "there is no file \(caller.absolute(path)); check the path, or set --cwd to where it is relative to",
            )
        }
        guard status.isRegular, status.canBeExecuted(by: caller) else { throw Self.refused(path, status, caller) }
        return path
    }

    private static func refused(_ path: String, _ status: FileOnDisk, _ caller: Caller) -> Problem {
        Problem(
            error: "program_not_executable",
            message: "\(caller.absolute(path)) \(status.objection(to: caller)); \(status.remedy)")
    }
}

/// A file's status, symbolic links followed.
struct FileOnDisk {
    let isRegular: Bool
    let inode: UInt64
    private let bytes: Int64
    private let deviceNumber: UInt64
    /// The lower twelve bits of st_mode.
    private let mode: Int
    private let owner: UInt32
    private let group: UInt32

    /// nil where there is none.
    init?(_ path: String) {
        let found = try? FileManager.default.attributesOfItem(atPath: Self.real(path))
        guard let found else { return nil }
        func number(_ key: FileAttributeKey) -> UInt64 { (found[key] as? NSNumber)?.uint64Value ?? 0 }
        isRegular = found[.type] as? FileAttributeType == .typeRegular
        inode = number(.systemFileNumber)
        bytes = Int64(clamping: number(.size))
        deviceNumber = number(.deviceIdentifier)
        mode = Int(number(.posixPermissions)) & 0o7777
        owner = UInt32(truncatingIfNeeded: number(.ownerAccountID))
        group = UInt32(truncatingIfNeeded: number(.groupOwnerAccountID))
    }

    /// Of the two halves of dev_t, sys/sysmacros.h: major in bits 20..., minor below, as the kernel has them.
    var device: UInt64 {
        let major = deviceNumber >> 8 & 0xfff | deviceNumber >> 32 & ~0xfff
        let minor = deviceNumber & 0xff | deviceNumber >> 12 & 0xfff00
        return major << 20 | minor
    }

    /// By its mode; root needs any of the three bits.
    func canBeExecuted(by caller: Caller) -> Bool {
        let bits =
            if caller.userID == 0 {
                0o111
            } else if caller.userID == owner {
                0o100
            } else if caller.groupID == group || caller.groups.contains(group) {
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
    func groupID(for caller: UInt32) -> UInt32 { mode & 0o2010 == 0o2010 ? group : caller }

    /// Without symbolic links, as the kernel names an executable.
    static func real(_ path: String) -> String {
        guard let resolved = realpath(path, nil) else { return path }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// SHA-256 in lower-case hex; nil for what cannot be read or is too long.
    static func hash(_ path: String) -> String? {
        guard let status = FileOnDisk(path), status.isRegular,
            status.bytes <= HypotheticalExec.maximumHashedBytes, let file = FileHandle(forReadingAtPath: path)
        else { return nil }
        defer { try? file.close() }
        var digest = SHA256()
        while let bytes = try? file.read(upToCount: 1 << 20), !bytes.isEmpty { digest.update(data: bytes) }
        return digest.finalize().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
