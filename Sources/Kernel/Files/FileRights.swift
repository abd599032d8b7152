import CLibBPF
import Glibc
import Synchronization

/// By which right a process opens files: its file system ids, its groups, and whether it may pass over the modes of files.
struct FileRights: Sendable, Equatable {
    let userID: UInt32
    let groupID: UInt32
    let additionalGroupIDs: [UInt32]
    /// CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, where they count for the host's files: in the initial user namespace.
    let passesModes: UInt64

    private static let passing: UInt64 = 1 << 1 | 1 << 2

    /// nil for a process that is gone.
    init?(thread: String) {
        guard let status = ProcessText(path: thread + "/status"),
            let users = Self.numbers("Uid:", in: status), users.count == 4,
            let groups = Self.numbers("Gid:", in: status), groups.count == 4,
            let field = status.rest(ofLineBeginningWith: "CapEff:")?.fields.first,
            let capabilities = UInt64(String(decoding: field, as: UTF8.self), radix: 16)
        else { return nil }
        userID = users[3]
        groupID = groups[3]
        additionalGroupIDs = Self.numbers("Groups:", in: status) ?? []
        let own = OpenFile.target(of: "/proc/self/ns/user")
        let isInitial = own != nil && OpenFile.target(of: thread + "/ns/user") == own
        passesModes = isInitial ? capabilities & Self.passing : 0
    }

    /// Ids: real, effective, saved, file system.
    private static func numbers(_ label: String, in status: ProcessText) -> [UInt32]? {
        status.rest(ofLineBeginningWith: label)?.fields.compactMap { $0.number() }
    }

    /// Runs it on a thread that has these rights and ends with them: what fails there cannot leave them behind.
    func use<Value: Sendable>(
        _ body: @escaping @Sendable () throws(FileError) -> Value,
    ) throws(FileError) -> Value {
        let answer = Answer<Value>()
        SystemThread.run {
            let code = take_file_rights(userID, groupID, additionalGroupIDs, additionalGroupIDs.count, passesModes)
            answer.set(
                code == 0 ? Result { () throws(FileError) in try body() } : .failure(.rightsRefused(errno: code)))
        }
        return try answer.get()
    }
}

/// What a thread found out.
private final class Answer<Value: Sendable>: Sendable {
    private let result = Mutex<Result<Value, FileError>>(.failure(.threadRefused))

    func set(_ found: Result<Value, FileError>) { result.withLock { $0 = found } }

    func get() throws(FileError) -> Value { try result.withLock { $0 }.get() }
}
