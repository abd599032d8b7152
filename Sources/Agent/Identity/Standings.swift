import Kernel
import Limits
package import Proxy
import SPIFFE
import Workloads

/// Tells of processes what they are now, and whether what they opened before is theirs still.
package struct Standings: Sendable {
    private let kernel: any ProcessRecords
    private let policy: PolicyBoard
    private let attestor: Attestor
    /// What is not known until then is unknown.
    private let patience: Duration

    /// Until it is asked again about one that became another.
    private static let pause = Limits.Queues.standingPause

    package init(
        kernel: any ProcessRecords, policy: PolicyBoard, attestor: Attestor,
        patience: Duration = Limits.Connection.standing,
    ) {
        self.kernel = kernel
        self.policy = policy
        self.attestor = attestor
        self.patience = patience
    }

    func standing(of process: ProcessKey) async -> Standing {
        do {
            let found = try await FirstAnswer.within(patience) {
                try await identify(process)
            } else: {
                TooLate(patience: $0)
            }
            return .runs(image: found.image.number, as: who(found.match))
        } catch AttestorError.ended {
            return .ended
        } catch {
            let image = kernel.record(of: process.pid).flatMap { $0.image.process == process ? $0.image.number : nil }
            return .runs(image: image ?? .max, as: .unknown("\(error)"))
        }
    }

    /// Who executes one program after another is asked about again each time, and is unknown if that does not end.
    private func identify(_ process: ProcessKey) async throws -> Attested {
        let deadline = ContinuousClock.now + patience
        while true {
            do throws(AttestorError) { return try await attestor.identify(process) } catch {
                guard isBetweenPrograms(process, error) else { throw error }
                // Not that error: what did not become known in time has not ended.
                guard ContinuousClock.now < deadline else { throw TooLate(patience: patience) }
            }
            try await Task.sleep(for: Self.pause)
        }
    }

    /// In the midst of an exec there is no record of a process that runs on; nor where the table of processes is full.
    private func isBetweenPrograms(_ process: ProcessKey, _ error: AttestorError) -> Bool {
        switch error {
        case .becameAnother: true
        case .ended: kernel.exists(process)
        case .noPolicy, .undecidable, .abandoned: false
        }
    }

    /// - Returns: why a connection lost its right; nil: it has it.
    package func objection(to opened: OpenedConnection, on occasion: Occasion) async -> String? {
        await standing(of: opened.opener.process).objection(
            to: opened, on: occasion, absent: absentOpeners(of: opened.workload, judgedAnew: occasion == .policy))
    }

    func absentOpeners(of workload: SPIFFEID, judgedAnew: Bool = false) -> AbsentOpeners {
        AbsentOpeners(
            outliveExec: policy.current.identity(of: workload)?.keepAcrossExec ?? false, wouldBeJudgedAnew: judgedAnew)
    }

    private func who(_ match: Match) -> Standing.Who {
        switch match {
        case .workload(let workloadID, _):
            policy.current.spiffeID(at: workloadID).map { .workload($0) } ?? .nobody
        case .nameless(let template, let reason, _):
            .unknown("\(FlowError.nameless(template: template, reason: reason))")
        case .unmanaged: .nobody
        }
    }

    private struct TooLate: Error, CustomStringConvertible {
        let patience: Duration
        var description: String { "not found out within \(patience)" }
    }
}
