import Kernel
import Logging
import SPIFFE
import Workloads

/// Who each listening process is, as far as that is known in time.
struct ListenerDecisions: Sendable {
    private enum Decision: Sendable {
        case match(Match)
        case failure(AttestorError)
        /// Being found out still.
        case late
    }

    private let decisions: [ProcessKey: Decision]

    /// - Parameters:
    ///   - patience: for all of them together, as they are looked at side by side.
    ///   - decided: called when one that was late is known.
    static func of(
        _ processes: Set<ProcessKey>, by attestor: Attestor, within patience: Duration,
        decided: @escaping @Sendable () -> Void,
    ) async -> ListenerDecisions {
        await withTaskGroup(of: (ProcessKey, Decision).self) { group in
            for process in processes {
                group.addTask { (process, await decision(process, attestor, patience, decided)) }
            }
            return ListenerDecisions(decisions: await group.reduce(into: [:]) { $0[$1.0] = $1.1 })
        }
    }

    private static func decision(
        _ process: ProcessKey, _ attestor: Attestor, _ patience: Duration, _ decided: @escaping @Sendable () -> Void,
    ) async -> Decision {
        let task = Task { try await attestor.identify(process) }
        do {
            return .match(try await FirstAnswer.of(task, within: patience) { _ in CancellationError() }.match)
        } catch let error as AttestorError {
            return .failure(error)
        } catch {
            Task {
                _ = try? await task.value
                decided()
            }
            return .late
        }
    }

    private init(decisions: [ProcessKey: Decision]) { self.decisions = decisions }

    /// What becomes of a listener.
    enum Outcome: Equatable {
        case workload(String)
        /// Nobody's: its connections reach it directly.
        case unmanaged
        /// Reached by nobody, as nobody may answer for it.
        case refused(String)
        /// Not known yet: whose it was, or reached by nobody.
        case pending
        /// An open socket outlives the process that listened: it is whose it was.
        case orphaned
        /// Nothing that a former agent decided is undone without a policy.
        case unchanged
    }

    func outcome(for socket: ListeningSocket) -> Outcome {
        switch decisions[socket.process] {
        case .match(.workload(let workloadID, _))?: .workload(workloadID)
        case .match(.nameless(let template, let reason, _))?:
            .refused(FlowError.nameless(template: template, reason: reason).description)
        case .match(.unmanaged)?: .unmanaged
        // What listened before there was any policy is let be.
        case .failure(.noPolicy)?: socket.identity == .undecided ? .unmanaged : .unchanged
        case .failure(.ended)?, .failure(.becameAnother)?: .orphaned
        case .failure(let error)?: .refused("\(error)")
        case .late?, nil: .pending
        }
    }
}
