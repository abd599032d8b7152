package import ControlPlaneAPI
package import Kernel
import SPIFFE
import Workloads

/// Answers "which identity is this process, and why": the same decision the kernel makes, with its evidence.
package struct Explainer: Sendable {
    private let kernel: KernelSession
    private let policy: PolicyBoard
    private let refusals: RecentRefusals

    package init(kernel: KernelSession, policy: PolicyBoard, refusals: RecentRefusals) {
        self.kernel = kernel
        self.policy = policy
        self.refusals = refusals
    }

    package func explain(pid: Int32) throws(Problem) -> Explanation {
        guard let facts = kernel.facts(of: pid) else {
            throw Problem(
                error: "process_unknown",
                message:
                    "no exec of process \(pid) was recorded: it ended, never existed, or started before the agent; "
                    + "restart it to give it an identity",
            )
        }
        let policy = policy.current
        let match = policy.matcher.match(facts)
        let id = match.workloadID.flatMap(policy.spiffeID(forWorkloadID:))
        return Explanation(
            facts: facts, match: match, spiffeID: id?.description, notes: notes(facts, match, policy),
        )
    }

    private func notes(_ facts: ProcessFacts, _ match: Match, _ policy: EnforcedPolicy) -> [String] {
        var notes: [String] = []
        if !kernel.isInScope(pid: facts.key.pid) {
            notes.append("outside the cgroup this agent is attached to: its connections are not touched")
        }
        if policy.snapshot == nil { notes.append("no policy has come from the control plane yet") }
        switch match {
        case .workload(_, let because) where because.allSatisfy({ $0.grade == .claimed }):
            notes.append("rests on claimed facts alone: whoever can start a process can have this identity")
        case .workload: break
        case .nameless:
            notes.append("refused: its connections get no SVID until its workloadID can be told")
        case .unmanaged:
            notes.append(
                "no identity: it connects without an SVID, and MUTUAL listeners of managed workloads refuse it")
        }
        if facts.argumentsTruncated { notes.append("argv was longer than what is kept; the end is missing above") }
        return notes + refusals.of(facts.key).map { "refused lately: \($0)" }
    }
}
