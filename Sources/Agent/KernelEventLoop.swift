import Kernel
import SPIFFE
import Synchronization
import Workloads

/// What the kernel part tells, turned into what the agent does about it.
///
/// Nothing here waits for files, namespaces or the network: that is done beside, in bounded number. What a full queue
/// drops is asked again by the process's next connection.
struct KernelEventLoop: Sendable {
    let kernel: KernelSession
    let networks: ServedNamespaces
    let handles: HandleTable
    let policy: PolicyBoard
    let attestor: Attestor
    let enforcer: Enforcer
    let journal: AgentJournal
    let svids: SVIDKeeper
    let listenersChanged: @Sendable () -> Void

    private let examinations = WorkQueue(workers: 8, capacity: 4096)
    private let arrivals = WorkQueue(workers: 4, capacity: 65536)
    private let identities = IdentifiedProcesses()

    func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await examinations.run() }
            group.addTask { await arrivals.run() }
            for await event in kernel.events { take(event) }
        }
    }

    private func take(_ event: KernelEvent) {
        switch event {
        case .listenerOpened, .listenerClosed: listenersChanged()
        case .identified(let process, let handle): arrivals.add { await identified(process, handle) }
        case .unserved(let process, network: _): arrivals.add { await serve(process) }
        case .undecided(let process): examinations.add { await decide(process) }
        case .credentialsChanged(let process, let handle):
            arrivals.add {
                await enforcer.reconsider(process, formerly: handle)
                listenersChanged()
            }
        case .refused(let process, destination: let destination, let reason):
            journal.recordRefusal(process, destination: destination, reason: "\(reason) (\(destination))")
        }
    }

    /// Before its first connection, mostly: the kernel part asks at exec.
    private func decide(_ process: ProcessKey) async {
        let match = await attestor.decide(process)
        if let workloadID = match?.workloadID { await announce(process, workloadID) }
        if (try? kernel.listeners().contains { $0.process == process }) ?? true { listenersChanged() }
    }

    private func identified(_ process: ProcessKey, _ handle: IdentityHandle) async {
        guard let text = handles.workloadID(of: handle), let template = try? WorkloadIDTemplate(text) else {
            return await serve(process)
        }
        let workloadID = template.isTemplate ? await attestor.decide(process)?.workloadID : text
        await announce(process, workloadID)
    }

    /// The kernel part sees every process start, and the sockets of those in scope alone.
    private func serve(_ process: ProcessKey) async {
        if kernel.isInScope(pid: process.pid) { await networks.needed(by: process) }
    }

    private func announce(_ process: ProcessKey, _ workloadID: String?) async {
        await serve(process)
        guard let workload = workloadID.flatMap(policy.current.spiffeID(forWorkloadID:)),
            identities.note(process, as: workload, isAlive: kernel.isAlive)
        else { return }
        journal.recordIdentified(process, as: workload)
        // Fetched ahead of need; a failure shows at the first connection, with its reason.
        Task { _ = try? await svids.svid(for: workload, process: process) }
    }
}

/// As whom processes were announced last: the kernel part tells of a process again that user space had decided.
private final class IdentifiedProcesses: Sendable {
    private let announced = Mutex<[ProcessKey: SPIFFEID]>([:])
    private static let limit = 16384

    /// - Returns: whether that is new.
    func note(_ process: ProcessKey, as workload: SPIFFEID, isAlive: (ProcessKey) -> Bool) -> Bool {
        announced.withLock { table in
            if table.count >= Self.limit { table = table.filter { isAlive($0.key) } }
            if table.count >= Self.limit { table.removeAll() }
            return table.updateValue(workload, forKey: process) != workload
        }
    }
}
