import Synchronization
import Workloads

@testable import Agent
@testable import Kernel

/// What a kernel part would have recorded, and what it was told.
final class ProcessBook: ProcessRecords {
    private struct State {
        var executions: [ProcessImage: Execution] = [:]
        var records: [Int32: (facts: ProcessFacts, image: ProcessImage)] = [:]
        var answers: [ProcessImage: [Int]] = [:]
        var known: [ProcessImage: [Int]] = [:]
        var generation: UInt32 = 0
        /// After so many more looks a process is another image.
        var looksUntilExec: Int?
        /// In the midst of an exec: of one that exists.
        var looksWithoutRecord = 0
        var executesAtEachLook = false
        var payer: UInt32?
    }

    private let state = Mutex(State())

    func add(_ facts: ProcessFacts, image: UInt32 = 1) {
        state.withLock {
            $0.records[facts.key.pid] = (facts, ProcessImage(process: facts.key, number: image))
        }
    }

    /// - Parameter execution: by which it runs what it runs; nil: its own, in surroundings that are not known.
    func add(_ facts: ProcessFacts, image: UInt32, by execution: Execution) {
        add(facts, image: image)
        state.withLock { $0.executions[ProcessImage(process: facts.key, number: image)] = execution }
    }

    func execution(of image: ProcessImage) -> Execution? {
        state.withLock { $0.executions[image] ?? Execution(program: image) }
    }

    func programs() -> Set<ProcessImage> {
        state.withLock { state in
            Set(state.records.values.map { state.executions[$0.image]?.program ?? $0.image })
        }
    }

    func end(_ process: ProcessKey) { state.withLock { $0.records[process.pid] = nil } }

    func execute(afterLooks looks: Int) { state.withLock { $0.looksUntilExec = looks } }

    func executeAtEachLook() { state.withLock { $0.executesAtEachLook = true } }

    func blank(forLooks looks: Int) { state.withLock { $0.looksWithoutRecord = looks } }

    /// Slots the kernel part was told to hold, by process image.
    var answers: [ProcessImage: [Int]] { state.withLock { $0.answers } }

    /// The same, as given together with the last policy.
    var known: [ProcessImage: [Int]] { state.withLock { $0.known } }

    func record(of pid: Int32) -> (facts: ProcessFacts, image: ProcessImage)? {
        state.withLock { state in
            if state.looksWithoutRecord > 0 {
                state.looksWithoutRecord -= 1
                return nil
            }
            guard var record = state.records[pid] else { return nil }
            if state.executesAtEachLook {
                record.image = ProcessImage(process: record.image.process, number: record.image.number + 1)
                state.records[pid] = record
            }
            if let looks = state.looksUntilExec {
                state.looksUntilExec = looks - 1
                if looks <= 0 { record.image = ProcessImage(process: record.image.process, number: 2) }
            }
            return record
        }
    }

    func isAlive(_ process: ProcessKey) -> Bool { state.withLock { $0.records[process.pid]?.facts.key == process } }

    /// Of all processes.
    func pay(_ user: UInt32?) { state.withLock { $0.payer = user } }

    func payer(of process: ProcessKey) -> UInt32? { state.withLock { $0.payer } }

    func exists(_ process: ProcessKey) -> Bool { isAlive(process) }

    func install(
        _ program: SelectorProgram, handles: [WorkloadName: IdentityHandle], known: [ProcessImage: [Int]],
    ) throws(KernelError) -> PolicyGeneration {
        state.withLock { state in
            state.generation += 1
            state.known = known
            state.answers = [:]
            return PolicyGeneration(number: state.generation)
        }
    }

    func answer(
        _ image: ProcessImage, holding slots: [Int], generation: PolicyGeneration,
    ) throws(KernelError) -> Bool {
        state.withLock { state in
            guard state.generation == generation.number else { return false }
            state.answers[image] = slots
            return true
        }
    }
}
