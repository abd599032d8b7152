import Dispatch
import Kernel
import Limits
import Synchronization

/// Runs what waits for a file system on threads of its own, and waits for it no longer than a while.
///
/// A file system can keep a thread for ever (a network's, or one that a user serves). Such a thread cannot be ended; so they are none
/// that anything else runs on, they are counted for the user who is to blame, and one who has too many of them is refused. No user
/// has more threads at once than may be stuck, so there are never more than ``Limits/Files/threads`` and ``Limits/Files/stuck``.
final class FileThreads: Sendable {
    fileprivate struct Job: Sendable {
        let user: UInt32
        let run: @Sendable () -> Void
        let refuse: @Sendable (FileThreadError) -> Void
    }

    private struct State {
        /// In the order they came.
        var waiting: [Job] = []
        /// Threads of a user, stuck or not.
        var ofUser: [UInt32: Int] = [:]
        var stuck: [UInt32: Int] = [:]
        /// Threads that run something and are not known to be stuck.
        var working = 0
        /// The one that became idle last is the next to work, so that the others end.
        var idle: [IdleThread] = []
    }

    private let deadline: Duration
    private let idleness: Duration
    private let ofUser: Int
    private let atOnce: Int
    private let inAll: Int
    private let state = Mutex(State())

    init(
        deadline: Duration = Limits.Files.answer, idleness: Duration = Limits.Files.idleThread,
        ofUser: Int = Limits.Files.stuckOfUser, atOnce: Int = Limits.Files.threads, inAll: Int = Limits.Files.stuck,
    ) {
        self.deadline = deadline
        self.idleness = idleness
        self.ofUser = ofUser
        self.atOnce = atOnce
        self.inAll = inAll
    }

    /// Threads without anything to do.
    var idle: Int { state.withLock { $0.idle.count } }

    /// What each thread is called.
    static let name = "tidemark-files"

    /// - Throws: ``FileThreadError``, and what the body throws.
    func run<Value: Sendable>(for user: UInt32, _ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        guard hasRoom(for: user) else { throw FileThreadError.tooManyStuck(userID: user) }
        let answer = OneAnswer<Value>()
        return try await withCheckedThrowingContinuation { continuation in
            answer.expect(continuation)
            start(
                Job(
                    user: user,
                    run: {
                        let expiry = Task {
                            try await Task.sleep(for: self.deadline)
                            if answer.give(.failure(FileThreadError.noAnswer)) { self.isStuck(user) }
                        }
                        let result = Result { try body() }
                        expiry.cancel()
                        self.ended(user, wasStuck: !answer.give(result))
                    },
                    refuse: { _ = answer.give(.failure($0)) }))
        }
    }

    private func hasRoom(for user: UInt32) -> Bool {
        state.withLock { ($0.stuck[user] ?? 0) < ofUser && $0.stuck.values.reduce(0, +) < inAll }
    }

    // MARK: Who is next

    private func start(_ job: Job) {
        state.withLock { $0.waiting.append(job) }
        startNext()
    }

    /// - Returns: the first one whose user has a thread left; it counts as begun.
    private func next(_ state: inout State) -> Job? {
        guard state.working < atOnce,
            let place = state.waiting.firstIndex(where: { state.ofUser[$0.user, default: 0] < ofUser })
        else { return nil }
        let job = state.waiting.remove(at: place)
        state.working += 1
        state.ofUser.add(1, of: job.user)
        return job
    }

    private func startNext() {
        let (job, thread) = state.withLock { state in
            let job = next(&state)
            return (job, job.flatMap { _ in state.idle.popLast() })
        }
        guard let job else { return }
        if let thread { return thread.give(job) }
        guard !SystemThread.start(named: Self.name, { self.work(job) }) else { return }
        job.refuse(.noThread)
        ended(job.user, wasStuck: false)
    }

    private func isStuck(_ user: UInt32) {
        let refused =
            state.withLock { state in
                state.working -= 1
                state.stuck.add(1, of: user)
                guard state.stuck[user, default: 0] >= ofUser else { return [] }
                // All threads they may have are gone: they would wait for ever.
                defer { state.waiting.removeAll { $0.user == user } }
                return state.waiting.filter { $0.user == user }
            } as [Job]
        for job in refused { job.refuse(.tooManyStuck(userID: user)) }
        startNext()
    }

    private func ended(_ user: UInt32, wasStuck: Bool) {
        state.withLock { state in
            if wasStuck { state.stuck.add(-1, of: user) } else { state.working -= 1 }
            state.ofUser.add(-1, of: user)
        }
    }

    // MARK: One thread

    private func work(_ first: Job) {
        var job: Job? = first
        let thread = IdleThread()
        while let current = job {
            current.run()
            job = state.withLock { state in
                let next = next(&state)
                if next == nil { state.idle.append(thread) }
                return next
            }
            if job == nil { job = thread.wait(for: idleness) ?? leave(thread) }
        }
    }

    /// - Returns: what it was given at the last moment.
    private func leave(_ thread: IdleThread) -> Job? {
        let isLeaving = state.withLock { state in
            guard let place = state.idle.firstIndex(where: { $0 === thread }) else { return false }
            state.idle.remove(at: place)
            return true
        }
        return isLeaving ? nil : thread.wait(for: nil)
    }
}

/// A thread without anything to do, until it is given something.
private final class IdleThread: Sendable {
    private let wake = DispatchSemaphore(value: 0)
    private let job = Mutex<FileThreads.Job?>(nil)

    func give(_ job: FileThreads.Job) {
        self.job.withLock { $0 = job }
        wake.signal()
    }

    /// - Parameter time: nil: for ever.
    /// - Returns: nil: nothing came.
    func wait(for time: Duration?) -> FileThreads.Job? {
        let end = time.map { DispatchTime.now() + .nanoseconds(Int($0 / .nanoseconds(1))) } ?? .distantFuture
        guard wake.wait(timeout: end) == .success else { return nil }
        return job.withLock { job in
            defer { job = nil }
            return job
        }
    }
}

enum FileThreadError: Error, Equatable, CustomStringConvertible {
    case noAnswer
    case tooManyStuck(userID: UInt32)
    case noThread

    var description: String {
        switch self {
        case .noAnswer:
            "its file system did not answer within \(Limits.Files.answer); put the file on a local disk"
        case .tooManyStuck(let user):
            "file systems keep too many threads of the agent waiting for files of uid \(user); end what serves them"
        case .noThread: "the host has no room for another thread of the agent; raise its limit of tasks"
        }
    }
}

extension [UInt32: Int] {
    /// It may come back from being stuck before it is known that it was.
    fileprivate mutating func add(_ change: Int, of user: UInt32) {
        let now = self[user, default: 0] + change
        self[user] = now == 0 ? nil : now
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
