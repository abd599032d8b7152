import Kernel
import Limits
import Workloads

/// Files that were opened at exec and wait to be hashed, by the program that runs them, in bounded number, and no user with more than are left.
struct OpenedAhead {
    private struct Entry {
        let files: ProcessExamination.Opened
        let keys: Set<SelectorKey>
        let user: UInt32
    }

    private let limit: Int
    private var entries: [ProcessImage: Entry] = [:]

    init(limit: Int = Limits.Files.openedAhead) { self.limit = limit }

    var count: Int { entries.count }

    /// - Parameter isAlive: those of processes that have ended are closed where there is no room.
    mutating func hasRoom(for user: UInt32, _ isAlive: (ProcessKey) -> Bool) -> Bool {
        if isFull(for: user) { entries = entries.filter { isAlive($0.key.process) } }
        return !isFull(for: user)
    }

    private func isFull(for user: UInt32) -> Bool {
        let own = entries.values.count { $0.user == user }
        return own >= limit - entries.count
    }

    mutating func add(
        _ files: ProcessExamination.Opened, _ keys: Set<SelectorKey>, of program: ProcessImage, for user: UInt32,
    ) {
        entries[program] = Entry(files: files, keys: keys, user: user)
    }

    /// - Returns: nil where others were opened than are asked for.
    mutating func take(_ program: ProcessImage, _ keys: Set<SelectorKey>) -> ProcessExamination.Opened? {
        guard let entry = entries.removeValue(forKey: program), keys.isSubset(of: entry.keys) else { return nil }
        return entry.files
    }
}
