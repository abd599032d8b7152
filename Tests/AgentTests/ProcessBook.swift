import Synchronization
import Workloads

@testable import Agent
@testable import Kernel

/// What a kernel part would have recorded, and what it was told.
final class ProcessBook: ProcessRecords {
    private struct State {
        var records: [Int32: (facts: ProcessFacts, image: ProcessImage)] = [:]
        var answers: [ProcessImage: [Int]] = [:]
        var known: [ProcessImage: [Int]] = [:]
        var generation: UInt32 = 0
        /// After so many more looks a process is another image.
        var looksUntilExec: Int?
    }

    private let state = Mutex(State())

    func add(_ facts: ProcessFacts, image: UInt32 = 1) {
        state.withLock {
            $0.records[facts.key.pid] = (facts, ProcessImage(process: facts.key, number: image))
        }
    }

    func end(_ process: ProcessKey) { state.withLock { $0.records[process.pid] = nil } }

    func execute(afterLooks looks: Int) { state.withLock { $0.looksUntilExec = looks } }

    /// Slots the kernel part was told to hold, by process image.
    var answers: [ProcessImage: [Int]] { state.withLock { $0.answers } }

    /// The same, as given together with the last policy.
    var known: [ProcessImage: [Int]] { state.withLock { $0.known } }

    func record(of pid: Int32) -> (facts: ProcessFacts, image: ProcessImage)? {
        state.withLock { state in
            guard var record = state.records[pid] else { return nil }
            if let looks = state.looksUntilExec {
                state.looksUntilExec = looks - 1
                if looks <= 0 { record.image = ProcessImage(process: record.image.process, number: 2) }
            }
            return record
        }
    }

    func isAlive(_ process: ProcessKey) -> Bool { state.withLock { $0.records[process.pid]?.facts.key == process } }

    func install(
        _ program: SelectorProgram, handles: [String: IdentityHandle], known: [ProcessImage: [Int]],
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
