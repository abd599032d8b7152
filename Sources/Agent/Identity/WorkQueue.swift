/// Does what it is given, in order, so much at once and no more; whoever gives it something does not wait.
struct WorkQueue: Sendable {
    typealias Work = @Sendable () async -> Void

    private let workers: Int
    private let stream: AsyncStream<Work>
    private let waiting: AsyncStream<Work>.Continuation

    init(workers: Int, capacity: Int) {
        self.workers = workers
        (stream, waiting) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(capacity))
    }

    /// - Returns: false where it is full, and the work is not done.
    @discardableResult
    func add(_ work: @escaping Work) -> Bool {
        if case .enqueued = waiting.yield(work) { true } else { false }
    }

    /// Works until cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            var free = workers
            let done = AsyncStream.makeStream(of: Void.self)
            var returns = done.stream.makeAsyncIterator()
            for await work in stream {
                if free == 0 {
                    guard await returns.next() != nil else { return }
                    free += 1
                }
                free -= 1
                group.addTask {
                    await work()
                    done.continuation.yield()
                }
            }
        }
    }
}
