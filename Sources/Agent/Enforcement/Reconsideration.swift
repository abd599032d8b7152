package import Proxy
import SPIFFE
import Workloads

/// Holds what processes opened against who they are now, and cuts what is not theirs any more: when a process executes
/// something or changes its ids, and when another policy comes.
package struct Reconsideration: Sendable {
    private let standings: Standings
    private let policy: PolicyBoard
    private let proxy: LoopbackProxy
    private let direct: DirectConnections

    package init(standings: Standings, policy: PolicyBoard, proxy: LoopbackProxy, direct: DirectConnections) {
        self.standings = standings
        self.policy = policy
        self.proxy = proxy
        self.direct = direct
    }

    /// - Parameter hasDirect: whether it may have opened some that did not go through the proxy.
    func reconsider(_ process: ProcessKey, on occasion: Occasion, hasDirect: Bool) async {
        // What comes into the table of live ones later is asked about then.
        guard hasDirect || !proxy.idsOfOpening(by: process).isEmpty else { return }
        let standing = await standings.standing(of: process)
        guard case .runs(let image, let who) = standing else { return }
        proxy.cutOutbound(of: process) {
            standing.objection(to: $0, on: occasion, absent: standings.absentOpeners(of: $0.workload))
        }
        if hasDirect {
            await direct.cut(
                of: process, image: image, unlessOpenedAs: who.workload, because: "\(occasion), and \(who)")
        }
    }

    /// Every connection through the proxy is decided again by its process. Those that went on as they were lend nobody an
    /// identity, and stay. Nobody waits for another: who is slow to be found out delays himself alone.
    ///
    /// - Parameter former: the policy before the one in force.
    /// - Returns: how many were cut.
    func policyChanged(from former: EnforcedPolicy) async -> Int {
        let changed = ChangedIdentities(former, policy.current)
        return await withTaskGroup(of: Int.self) { group in
            for process in proxy.openers { group.addTask { await redecide(process, changed) } }
            return await group.reduce(0, +)
        }
    }

    private func redecide(_ process: ProcessKey, _ changed: ChangedIdentities) async -> Int {
        let standing = await standings.standing(of: process)
        return proxy.cutOutbound(of: process) { opened in
            standing.objection(
                to: opened, on: .policy,
                absent: standings.absentOpeners(of: opened.workload, judgedAnew: changed.contain(opened.workload)))
        }
    }
}

/// Workloads that other processes may be by one policy than by another.
private struct ChangedIdentities: Sendable {
    private let former: EnforcedPolicy
    private let current: EnforcedPolicy

    init(_ former: EnforcedPolicy, _ current: EnforcedPolicy) {
        self.former = former
        self.current = current
    }

    func contain(_ workload: SPIFFEID) -> Bool {
        former.identity(of: workload)?.selectors != current.identity(of: workload)?.selectors
    }
}

extension Standing.Who {
    fileprivate var workload: SPIFFEID? {
        if case .workload(let workload) = self { workload } else { nil }
    }
}
