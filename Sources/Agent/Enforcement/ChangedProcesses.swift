import Synchronization
import Workloads

/// Processes of which it has to be asked again who they are. One that changes while it is asked about is asked about once
/// more, however often it changes: what waits is bounded by the number of processes with connections.
struct ChangedProcesses: Sendable {
    private struct Change {
        let occasion: Occasion
        var hasDirect: Bool
    }

    private enum State {
        case waits(Change)
        case isAsked(again: Change?)
    }

    private let table = Table()
    private let stream: AsyncStream<ProcessKey>
    private let waiting: AsyncStream<ProcessKey>.Continuation

    /// One class, as structs hold no lock that can be copied.
    private final class Table: Sendable {
        let states = Mutex<[ProcessKey: State]>([:])
    }

    init() { (stream, waiting) = AsyncStream.makeStream() }

    /// Does not wait.
    func note(_ process: ProcessKey, on occasion: Occasion, hasDirect: Bool) {
        let isNew = table.states.withLock { states in
            var change = Change(occasion: occasion, hasDirect: hasDirect)
            switch states[process] {
            case nil:
                states[process] = .waits(change)
                return true
            case .waits(let former):
                change.hasDirect = hasDirect || former.hasDirect
                states[process] = .waits(change)
            case .isAsked(let former):
                change.hasDirect = hasDirect || former?.hasDirect == true
                states[process] = .isAsked(again: change)
            }
            return false
        }
        if isNew { waiting.yield(process) }
    }

    /// Asks until cancelled. Nobody waits for another: who is slow to be found out delays himself alone.
    func run(_ reconsideration: Reconsideration) async {
        await withDiscardingTaskGroup { group in
            for await process in stream { group.addTask { await ask(process, reconsideration) } }
        }
    }

    private func ask(_ process: ProcessKey, _ reconsideration: Reconsideration) async {
        while let change = next(process) {
            await reconsideration.reconsider(process, on: change.occasion, hasDirect: change.hasDirect)
        }
    }

    private func next(_ process: ProcessKey) -> Change? {
        table.states.withLock { states in
            let change: Change? =
                switch states[process] {
                case .waits(let change): change
                case .isAsked(let again): again
                case nil: nil
                }
            states[process] = change.map { _ in .isAsked(again: nil) }
            return change
        }
    }
}
