import Kernel
import SPIFFE
import Synchronization
import Workloads

/// Who called listen(), as far as that is known in time: the image of that moment, by its ids of that moment. What the
/// process has executed since, or runs by now, makes its socket nobody else's.
struct ListenerDecisions: Sendable {
    fileprivate enum Decision: Sendable {
        case match(Match)
        case failure(AttestorError)
        /// Being found out still.
        case late
    }

    private let decisions: [ListenerOrigin: Decision]

    /// Whether some are being found out still.
    var areLate: Bool { decisions.values.contains { if case .late = $0 { true } else { false } } }

    fileprivate init(decisions: [ListenerOrigin: Decision]) { self.decisions = decisions }

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
        switch decisions[ListenerOrigin(socket)] {
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

/// The image that called listen(), and by which ids.
struct ListenerOrigin: Hashable, Sendable {
    let image: ProcessImage
    let credentials: ProcessIDs

    init(_ socket: ListeningSocket) {
        image = socket.image
        credentials = socket.credentials
    }
}

/// Asks who listens. Each is asked about once at a time, however often somebody wants to know meanwhile: it can take as long as reading the
/// longest file that anybody may execute.
final class ListenerQuestions: Sendable {
    private struct Question {
        let answer: Task<Match, any Error>
        /// Somebody went on without the answer.
        var isLate = false
    }

    private let attestor: Attestor
    private let questions = Mutex<[ListenerOrigin: Question]>([:])
    private let decided: @Sendable () -> Void

    /// - Parameter decided: called when one that was late is known.
    init(_ attestor: Attestor, decided: @escaping @Sendable () -> Void) {
        self.attestor = attestor
        self.decided = decided
    }

    /// How many are being found out.
    var count: Int { questions.withLock(\.count) }

    /// - Parameter patience: for all of them together, as they are looked at side by side.
    func decisions(on sockets: [ListeningSocket], within patience: Duration) async -> ListenerDecisions {
        await withTaskGroup(of: (ListenerOrigin, ListenerDecisions.Decision).self) { group in
            for origin in Set(sockets.map(ListenerOrigin.init)) {
                group.addTask { (origin, await self.decision(on: origin, patience)) }
            }
            return ListenerDecisions(decisions: await group.reduce(into: [:]) { $0[$1.0] = $1.1 })
        }
    }

    private func decision(on origin: ListenerOrigin, _ patience: Duration) async -> ListenerDecisions.Decision {
        let answer = answer(about: origin)
        do {
            return .match(try await FirstAnswer.of(answer, within: patience) { _ in CancellationError() })
        } catch let error as AttestorError {
            return .failure(error)
        } catch {
            let isAsked = questions.withLock { questions in
                guard questions[origin]?.answer == answer else { return false }
                questions[origin]?.isLate = true
                return true
            }
            // It came in this very moment: nobody is called for it any more.
            if !isAsked { decided() }
            return .late
        }
    }

    private func answer(about origin: ListenerOrigin) -> Task<Match, any Error> {
        questions.withLock { questions in
            if let asked = questions[origin] { return asked.answer }
            let answer = Task {
                defer { self.end(origin) }
                return try await self.attestor.attest(origin.image, as: origin.credentials).match
            }
            questions[origin] = Question(answer: answer)
            return answer
        }
    }

    private func end(_ origin: ListenerOrigin) {
        if questions.withLock({ $0.removeValue(forKey: origin) })?.isLate == true { decided() }
    }
}
