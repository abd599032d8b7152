import Kernel
import SPIFFE
import Workloads

/// What the kernel part tells, turned into what the agent does about it.
struct KernelEventLoop: Sendable {
    let kernel: KernelSession
    let networks: ServedNamespaces
    let handles: HandleTable
    let policy: PolicyBoard
    let journal: AgentJournal
    let svids: SVIDKeeper
    let listenersChanged: @Sendable () -> Void

    func run() async {
        for await event in kernel.events {
            switch event {
            case .listenerOpened, .listenerClosed: listenersChanged()
            case .identified(let process, let handle): await identified(process, handle)
            case .unserved(let process, network: _): await networks.needed(by: process)
            case .undecided, .credentialsChanged: break
            case .refused(let process, destination: let destination, let reason):
                journal.recordRefusal(process, destination: destination, reason: "\(reason) (\(destination))")
            }
        }
    }

    private func identified(_ process: ProcessKey, _ handle: IdentityHandle) async {
        await networks.needed(by: process)
        guard let workload = handles.workloadID(of: handle).flatMap(policy.current.spiffeID(forWorkloadID:)) else {
            return
        }
        journal.recordIdentified(process, as: workload)
        // Fetched ahead of need; a failure shows at the first connection, with its reason.
        Task { _ = try? await svids.svid(for: workload, process: process) }
    }
}
