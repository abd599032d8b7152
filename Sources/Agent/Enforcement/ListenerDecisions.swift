import Kernel
import Logging
import SPIFFE
import Workloads

/// Who called listen(), as far as that is known in time: the image of that moment, by its ids of that moment. What the
/// process has executed since, or runs by now, makes its socket nobody else's.
struct ListenerDecisions: Sendable {
    private struct Origin: Hashable {
        let image: ProcessImage
        let credentials: ProcessIDs

        init(_ socket: ListeningSocket) {
            image = socket.image
            credentials = socket.credentials
        }
    }

    private enum Decision: Sendable {
        case match(Match)
        case failure(AttestorError)
        /// Being found out still.
        case late
    }

    private let decisions: [Origin: Decision]

    /// - Parameters:
    ///   - patience: for all of them together, as they are looked at side by side.
    ///   - decided: called when one that was late is known.
    static func of(
        _ sockets: [ListeningSocket], by attestor: Attestor, within patience: Duration,
        decided: @escaping @Sendable () -> Void,
    ) async -> ListenerDecisions {
        await withTaskGroup(of: (Origin, Decision).self) { group in
            for origin in Set(sockets.map(Origin.init)) {
                group.addTask { (origin, await decision(origin, attestor, patience, decided)) }
            }
            return ListenerDecisions(decisions: await group.reduce(into: [:]) { $0[$1.0] = $1.1 })
        }
    }

    private static func decision(
        _ origin: Origin, _ attestor: Attestor, _ patience: Duration, _ decided: @escaping @Sendable () -> Void,
    ) async -> Decision {
        let task = Task { try await attestor.attest(origin.image, as: origin.credentials) }
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

    private init(decisions: [Origin: Decision]) { self.decisions = decisions }

    /// What becomes of a listener.
    enum Outcome: Equatable {
        case workload(SPIFFEPath)
        /// Nobody's: its connections reach it directly.
        case unmanaged
        /// Reached by nobody, as nobody may answer for it.
        case refused(String)
        /// Not known yet: whose it was, or reached by nobody.
        case pending
        /// An open socket outlives the image that listened: it is whose it was.
        case orphaned
        /// Nothing that a former agent decided is undone without a policy.
        case unchanged
    }

    func outcome(for socket: ListeningSocket) -> Outcome {
        switch decisions[Origin(socket)] {
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
