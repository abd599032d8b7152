import Dispatch
import Limits
import Synchronization

/// Runs what waits for a file system beside the cooperative pool, and waits for it no longer than a while.
///
/// A file system can keep a thread for ever (a network's, or one that a user serves). Such a thread cannot be ended; so
/// they are counted for the user who is to blame, and one who has too many of them is refused.
final class FileThreads: Sendable {
    private let deadline: Duration
    private let ofUser: Int
    private let inAll: Int
    private let stuck = Mutex<[UInt32: Int]>([:])
    private let queue = DispatchQueue(label: "tidemark.files", attributes: .concurrent)

    init(
        deadline: Duration = Limits.Files.answer, ofUser: Int = Limits.Files.stuckOfUser,
        inAll: Int = Limits.Files.stuck,
    ) {
        self.deadline = deadline
        self.ofUser = ofUser
        self.inAll = inAll
    }

    /// - Throws: ``FileThreadError``, and what the body throws.
    func run<Value: Sendable>(for user: UInt32, _ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        guard hasRoom(for: user) else { throw FileThreadError.tooManyStuck(userID: user) }
        let answer = OneAnswer<Value>()
        return try await withCheckedThrowingContinuation { continuation in
            answer.expect(continuation)
            let expiry = Task {
                try await Task.sleep(for: deadline)
                if answer.give(.failure(FileThreadError.noAnswer)) { self.count(1, of: user) }
            }
            queue.async {
                let result = Result { try body() }
                expiry.cancel()
                if !answer.give(result) { self.count(-1, of: user) }
            }
        }
    }

    private func hasRoom(for user: UInt32) -> Bool {
        stuck.withLock {
            // However many one user's began at once, before it was known that they are stuck: they are not others' loss.
            let all = $0.values.reduce(0) { $0 + min($1, ofUser) }
            return ($0[user] ?? 0) < ofUser && all < inAll
        }
    }

    private func count(_ change: Int, of user: UInt32) {
        stuck.withLock { stuck in
            let count = (stuck[user] ?? 0) + change
            stuck[user] = count == 0 ? nil : count
        }
    }
}

enum FileThreadError: Error, Equatable, CustomStringConvertible {
    case noAnswer
    case tooManyStuck(userID: UInt32)

    var description: String {
        switch self {
        case .noAnswer:
            "its file system did not answer within \(Limits.Files.answer); put the file on a local disk"
        case .tooManyStuck(let user):
            "file systems keep too many threads of the agent waiting for files of uid \(user); end what serves them"
        }
    }
}

/// Resumes a continuation once.
private final class OneAnswer<Value: Sendable>: Sendable {
    private let continuation = Mutex<CheckedContinuation<Value, any Error>?>(nil)

    func expect(_ waiting: CheckedContinuation<Value, any Error>) { continuation.withLock { $0 = waiting } }

    /// - Returns: whether this was the first.
    func give(_ result: Result<Value, any Error>) -> Bool {
        let waiting = continuation.withLock { continuation in
            defer { continuation = nil }
            return continuation
        }
        waiting?.resume(with: result)
        return waiting != nil
    }
}
