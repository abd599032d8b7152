package import ControlPlaneAPI
package import Kernel
import SPIFFE
package import Workloads

/// Tries manifests on the live processes of this host; nothing is enforced.
package struct DraftTrial: Sendable {
    private let kernel: KernelSession
    private let policy: PolicyBoard
    private let agentGroup: @Sendable () async -> String?
    private let inspection: ProcessInspection

    package init(
        kernel: KernelSession, policy: PolicyBoard, inspection: ProcessInspection,
        agentGroup: @escaping @Sendable () async -> String?,
    ) {
        self.kernel = kernel
        self.policy = policy
        self.agentGroup = agentGroup
        self.inspection = inspection
    }

    /// Matches every process in scope by the policy in force and by the draft, and applies nothing.
    package func run(_ draft: DraftQuestion) async throws(Problem) -> DraftReport {
        let current = policy.current
        guard let group = await agentGroup() ?? current.snapshot?.identities.first?.agentGroup else {
            throw Problem(
                .agentGroupUnknown,
                message: "this agent is not attested yet, so its agent group is not known; see tidemark status --agent")
        }
        var merged = DraftMerge(draft, over: current.snapshot?.identities ?? [], of: group)
        for identity in draft.identities { merged.warn(of: identity, LinkedPaths.remarks(on: identity)) }
        var report = DraftReport(
            agentGroup: group, version: current.version, documents: merged.documents,
            conflicts: Precedence.conflicts(in: merged.identities).map(\.description)
                + SelectorProgram.excess(in: merged.identities), counts: .init(), changes: [],
        )
        guard report.conflicts.isEmpty else { return report }
        let after = Matcher(merged.identities)
        let comparison = DraftComparison(
            before: current.matcher, after: after, processes: await processes(current.matcher, after))
        report.counts = comparison.counts
        report.changes = comparison.changes
        return report
    }

    /// Files are looked at only where one of the two has to know.
    private func processes(_ before: Matcher, _ after: Matcher) async -> [ProcessFacts] {
        var processes: [ProcessFacts] = []
        var open: [ProcessFacts] = []
        for facts in kernel.processes() {
            if before.needsUserSpace(facts) || after.needsUserSpace(facts) {
                open.append(facts)
            } else {
                processes.append(facts)
            }
        }
        return processes + (await completed(open))
    }

    /// A few at a time; those that have ended meanwhile are left out.
    private func completed(_ open: [ProcessFacts]) async -> [ProcessFacts] {
        await withTaskGroup(of: ProcessFacts?.self) { group in
            var waiting = open[...]
            var completed: [ProcessFacts] = []
            func next() {
                guard let facts = waiting.popFirst() else { return }
                group.addTask { [inspection] in
                    let found = await inspection.files(ofPID: facts.key.pid)?.facts
                    return found?.key == facts.key ? found : nil
                }
            }
            for _ in 0..<Self.atOnce { next() }
            for await facts in group {
                if let facts { completed.append(facts) }
                next()
            }
            return completed
        }
    }

    private static let atOnce = 8
}

/// A draft laid over the identities in force. Pure.
package struct DraftMerge: Sendable {
    package private(set) var identities: [WorkloadIdentity]
    package private(set) var documents: [DraftReport.Document] = []

    package init(_ draft: DraftQuestion, over identities: [WorkloadIdentity], of agentGroup: String) {
        self.identities = identities
        for identity in draft.identities { merge(identity, agentGroup) }
        let known = Accountabilities(self.identities)
        for identity in draft.identities where identity.agentGroup == agentGroup {
            warn(of: identity, known.warnings(of: identity))
        }
        for name in draft.resources {
            documents.append(
                .init(
                    kind: "ProtectedResource", name: name, effect: .ignored,
                    reason: "it gives no process an identity"))
        }
    }

    mutating func warn(of identity: WorkloadIdentity, _ warnings: [String]) {
        guard let place = documents.firstIndex(where: { $0.name == identity.name }) else { return }
        documents[place].warnings += warnings
    }

    private mutating func merge(_ identity: WorkloadIdentity, _ agentGroup: String) {
        let place = identities.firstIndex { $0.name == identity.name }
        let isOurs = identity.agentGroup == agentGroup
        let effect: DraftReport.Document.Effect =
            switch (place, isOurs) {
            case (let place?, true): identities[place] == identity ? .unchanged : .changed
            case (nil, true): .created
            case (_?, false): .removed
            case (nil, false): .ignored
            }
        if let place { identities.remove(at: place) }
        if isOurs { identities.append(identity) }
        documents.append(
            .init(
                kind: "WorkloadIdentity", name: identity.name, effect: effect,
                reason: isOurs
                    ? nil : "it is of agent group \(identity.agentGroup), this agent of \(agentGroup)",
            ))
    }
}

extension SPIFFEID {
    /// Of an agent's own ID, `tidemark/agent/<group>/<name>`; nil for any other.
    var agentGroup: String? {
        let segments = path.text.split(separator: "/")
        return segments.count == 4 && segments.starts(with: ["tidemark", "agent"]) ? String(segments[2]) : nil
    }
}
