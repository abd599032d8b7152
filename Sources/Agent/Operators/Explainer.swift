package import ControlPlaneAPI
package import Kernel
import SPIFFE
import Workloads

/// Answers "which identity is this process, and why": the same decision the kernel makes, with its evidence.
package struct Explainer: Sendable {
    private let kernel: KernelSession
    private let policy: PolicyBoard
    private let handles: HandleTable
    private let refusals: RecentRefusals
    private let networks: @Sendable () async -> [NetworkNamespace]
    private let inspection: ProcessInspection

    /// - Parameter networks: those that are served, the agent's own first.
    package init(
        kernel: KernelSession, policy: PolicyBoard, handles: HandleTable, refusals: RecentRefusals,
        networks: @escaping @Sendable () async -> [NetworkNamespace],
        inspection: ProcessInspection,
    ) {
        self.kernel = kernel
        self.policy = policy
        self.handles = handles
        self.refusals = refusals
        self.networks = networks
        self.inspection = inspection
    }

    /// - Throws: `process_unknown`, as the caller is told.
    package func explain(pid: Int32) async throws(Problem) -> Explanation {
        guard let found = await inspection.inspect(pid: pid) else {
            throw Problem(
                .processUnknown,
                message:
                    "nothing is known of process \(pid): it has ended, or never was; a pid counts in the host's own PID "
                    + "namespace, and where the table of processes was full (tidemark status --agent) restart the process",
            )
        }
        var explanation = await explain(found.facts)
        explanation.network = await place(ofPID: pid)
        explanation.notes += liveNotes(found, explanation.network)
        return explanation
    }

    /// What a command would be; nothing is executed.
    package func explain(_ question: ExecQuestion) async throws(Problem) -> Explanation {
        let exec = try HypotheticalExec(question, interpreters: inspection.interpreters)
        var facts = exec.facts
        if let parent = await inspection.inspect(pid: question.parent),
            parent.facts.key.began(atTick: question.parentStart)
        {
            let identity = policy.current.matcher.verdict(on: parent.facts).workloadID
            facts.parent = parent.facts.key
            facts.isOnHost = parent.facts.isOnHost
            facts = facts.of(parent.lineage.below(identity))
        }
        var explanation = await explain(facts)
        explanation.steps = exec.steps
        return explanation
    }

    /// Of the same run of the process, where it is still there.
    func explain(_ process: ProcessKey) async -> Explanation? {
        guard let explanation = try? await explain(pid: process.pid), explanation.facts.key == process else {
            return nil
        }
        return explanation
    }

    private func explain(_ facts: ProcessFacts) async -> Explanation {
        let policy = policy.current
        let match = policy.matcher.match(facts)
        let id = match.workloadID.flatMap(policy.spiffeID(at:))
        let opinion = await opinion(on: facts)
        return Explanation(
            facts: facts, match: match, spiffeID: id?.description, kernel: opinion,
            notes: notes(facts, match, policy, opinion),
        )
    }
}

// MARK: The kernel part's own answer

extension Explainer {
    /// Asks again where the two disagree: a policy may have come between the questions.
    private func opinion(on facts: ProcessFacts) async -> KernelOpinion? {
        for wait in [100, 400, 0] {
            let current = policy.current
            guard current.snapshot != nil,
                let decision = try? kernel.decide(
                    facts, holding: current.program.residue(holdingFor: facts), generation: kernel.generation)
            else { return nil }
            let opinion = KernelOpinion(
                answer: .init(decision), workloadID: handles.workloadID(of: decision.identity)?.text,
                agrees: decision.slot == current.matcher.firstMatch(facts),
            )
            if opinion.agrees || wait == 0 { return opinion }
            try? await Task.sleep(for: .milliseconds(wait))
        }
        return nil
    }

    /// Which keys the kernel part waits for; nil where it does not.
    private func awaited(_ found: ProcessInspection.Found) -> String? {
        let current = policy.current
        guard current.matcher.needsUserSpace(found.facts), !kernel.isAnswered(found.image),
            let decision = try? kernel.decide(found.facts), decision.identity == .undecided, let slot = decision.slot,
            current.program.slots.indices.contains(slot)
        else { return nil }
        let wanted = current.program.slots[slot]
        let keys = wanted.selector.keys.filter { !$0.isDecidedByKernel }
        return "\(keys.map(\.description).joined(separator: " and ")) of the selector of \(wanted.workloadID)"
    }

    private func place(ofPID pid: Int32) async -> NetworkPlace? {
        guard let inode = NetworkNamespace.inode(ofPID: pid) else { return nil }
        let served = await networks()
        return NetworkPlace(
            inode: inode, isAgents: served.first?.inode == inode, isServed: served.contains { $0.inode == inode })
    }
}

extension KernelOpinion.Answer {
    fileprivate init(_ decision: KernelDecision) {
        self =
            switch decision.identity {
            case .undecided: .undecided
            case .unknown: .unknown
            default: decision.slot == nil ? .unmanaged : .identified
            }
    }
}

// MARK: Notes

extension Explainer {
    private func notes(
        _ facts: ProcessFacts, _ match: Match, _ policy: EnforcedPolicy, _ opinion: KernelOpinion?,
    ) -> [String] {
        var notes = Self.notes(on: match, facts, policy)
        if policy.snapshot == nil { notes.append("no policy has come from the control plane yet") }
        if opinion?.agrees == false {
            notes.append(
                "defect: the kernel part decides otherwise than this page; please report it with this output as JSON")
        }
        if facts.hidesProcesses {
            let runtime = HidingRuntime(executable: facts.executable.path)?.rawValue ?? "a runtime"
            notes.append(
                "hides its processes: \(runtime): no agent of this host sees what runs in it, so only a selector that asks for "
                    + "this very binary (process:binary:path or process:binary:hash, whole) gives it an identity, which "
                    + "everything in it shares then; run an agent inside instead")
        }
        if facts.argumentsTruncated { notes.append("argv was longer than what is kept; the end is missing above") }
        if facts.additionalGroupsTruncated {
            notes.append(
                "more than \(ProcessFacts.maximumAdditionalGroups) additional groups: process:gid:additional never holds"
            )
        }
        if facts.executable.pathIsForeign {
            notes.append(
                "the executable lies below another root, or in a mount namespace that anybody can make: "
                    + "process:binary:path and process:script:path never hold; ask for process:binary:hash",
            )
        }
        return notes
    }

    private static func notes(on match: Match, _ facts: ProcessFacts, _ policy: EnforcedPolicy) -> [String] {
        switch match {
        case .workload: policy.accountability(of: facts)?.objection().map { ["the selector " + $0] } ?? []
        case .nameless: ["refused: its connections get no SVID until its workloadID can be told"]
        case .unmanaged(let nearest):
            ["no identity: it connects without an SVID, and MUTUAL listeners of managed workloads refuse it"]
                + LinkedPaths.notes(on: facts, asked: policy.selectors(of: Set(nearest.map(\.workloadID))))
        }
    }

    /// What is true of processes that run.
    private func liveNotes(_ found: ProcessInspection.Found, _ network: NetworkPlace?) -> [String] {
        let facts = found.facts
        var notes = found.gaps.sorted { $0.key < $1.key }.map { "\($0.key) cannot be told: \($0.value)" }
        if !kernel.isInScope(pid: facts.key.pid) {
            notes.append("outside the cgroup this agent is attached to: its connections are not touched")
        }
        if (try? ProcessFiles(of: facts.key.pid).isReplaced(facts.executable)) == true, !facts.executable.path.isEmpty {
            notes.append(
                "its executable was replaced or removed since it was executed: process:binary:path and process:binary:hash hold "
                    + "for what runs, which is the former file; a restart runs what is at that path then",
            )
        }
        if facts.predatesAgent {
            notes.append(
                "older than the kernel part: argv and name are as they were found then, not as of exec, so the process "
                    + "may have written them; restart it to be sure",
            )
        }
        if let awaited = awaited(found) {
            notes.append(
                "undecided in the kernel: it waits for user space to tell \(awaited), which is asked for at the first "
                    + "connection; that is held until then, and refused if it cannot be told",
            )
        }
        if let network, !network.isServed {
            notes.append(
                "in a network namespace without the proxy: it is made when an identified process is seen in it")
        }
        return notes + refusals.of(facts.key).map { "refused lately: \($0.reason)" }
    }
}
