import Kernel
import Limits
import Proxy
import SPIFFE
import Synchronization
import Workloads

/// What the kernel part tells, turned into what the agent does about it. Three streams with three promises, see
/// docs/decisions/0011-nothing-leaves-for-lack-of-knowledge.md:
///
/// - what policy needs displaces nothing and is displaced by nothing; where any of it is lost, everything it could have been
///   about is looked at again;
/// - what operators are told comes soon, or is lost and counted;
/// - what the audit keeps is complete in number, not record by record: repeated refusals are one.
///
/// Nothing here waits for files, namespaces or the network: that is done beside, in bounded number. What a full queue
/// drops is asked again by the process's next connection.
struct KernelEventLoop: Sendable {
    let kernel: KernelSession
    let networks: ServedNamespaces
    let handles: HandleTable
    let policy: PolicyBoard
    let attestor: Attestor
    let reconsideration: Reconsideration
    let proxy: LoopbackProxy
    let journal: AgentJournal
    let svids: SVIDKeeper
    let listenersChanged: @Sendable () -> Void

    /// Files are opened as soon as a process is told of, whoever is being hashed.
    private let openings = WorkQueue(workers: Limits.Queues.openingsAtOnce, capacity: Limits.Queues.openings)
    private let examinations = WorkQueue(
        workers: Limits.Queues.examinationsAtOnce, capacity: Limits.Queues.examinations)
    private let arrivals = WorkQueue(workers: Limits.Queues.arrivalsAtOnce, capacity: Limits.Queues.arrivals)
    private let changes = ChangedProcesses()
    private let identities = IdentifiedProcesses()

    func run() async {
        let refusals = KernelRefusals(kernel: kernel, journal: journal)
        await withDiscardingTaskGroup { group in
            group.addTask { await openings.run() }
            group.addTask { await examinations.run() }
            group.addTask { await arrivals.run() }
            group.addTask { await changes.run(reconsideration) }
            group.addTask { await watchLosses() }
            if kernel.lsmGuard != .attached {
                group.addTask { await CredentialWatch.run(proxy, kernel) { take(.credentialsChanged($0)) } }
            }
            group.addTask { await refusals.run() }
            group.addTask { await journal.run() }
            group.addTask { for await notice in kernel.notices { take(notice, refusals) } }
            for await event in kernel.events { take(event) }
        }
    }

    private func take(_ event: KernelEvent) {
        switch event {
        case .listenerOpened, .listenerClosed: listenersChanged()
        case .unserved(let process, network: _): arrivals.add { await serve(process) }
        case .undecided(let process): openings.add { await examine(process) }
        case .credentialsChanged(let process):
            changes.note(process, on: .otherCredentials, hasDirect: true)
            listenersChanged()
        case .executed(let process, let connections):
            changes.note(process, on: .executed, hasDirect: connections.contains(.direct))
        }
    }

    private func take(_ notice: KernelNotice, _ refusals: KernelRefusals) {
        switch notice {
        case .identified(let process, let handle): arrivals.add { await identified(process, handle) }
        case .refused(let refusal): refusals.take(refusal)
        }
    }

    /// Whatever was not told is in the kernel part's tables; so are listeners of nobody, which are not told one by one.
    private func watchLosses() async {
        var known = kernel.statistics()
        while (try? await Task.sleep(for: Limits.Updates.ofListenersRead)) != nil {
            let now = kernel.statistics()
            defer { known = now }
            guard now.eventsLost > known.eventsLost else {
                if now.listenersOfNobody > known.listenersOfNobody { listenersChanged() }
                continue
            }
            listenersChanged()
            for (process, connections) in kernel.connected() {
                changes.note(process, on: .unseen, hasDirect: connections.contains(.direct))
            }
            await networks.lookAgain(at: Set(kernel.identified().keys).union(kernel.listeners().map(\.process)))
        }
    }

    private func examine(_ process: ProcessKey) async {
        await attestor.open(process)
        examinations.add { await decide(process) }
    }

    /// Before its first connection, mostly: the kernel part asks at exec.
    private func decide(_ process: ProcessKey) async {
        let match = await attestor.decide(process)
        if let workloadID = match?.workloadID { await announce(process, workloadID) }
        if kernel.listeners().contains(where: { $0.process == process }) { listenersChanged() }
    }

    private func identified(_ process: ProcessKey, _ handle: IdentityHandle) async {
        switch handles.workloadID(of: handle) {
        case nil: await serve(process)
        case .fixed(let path)?: await announce(process, path)
        case .template?: await announce(process, await attestor.decide(process)?.workloadID)
        }
    }

    /// The kernel part sees every process start, and the sockets of those in scope alone.
    private func serve(_ process: ProcessKey) async {
        if kernel.isInScope(pid: process.pid) { await networks.needed(by: process) }
    }

    private func announce(_ process: ProcessKey, _ path: SPIFFEPath?) async {
        await serve(process)
        guard let workload = path.flatMap(policy.current.spiffeID(at:)),
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
    /// - Returns: whether that is new.
    func note(_ process: ProcessKey, as workload: SPIFFEID, isAlive: (ProcessKey) -> Bool) -> Bool {
        announced.withLock { table in
            if table.count >= Limits.Identities.announced { table = table.filter { isAlive($0.key) } }
            if table.count >= Limits.Identities.announced { table.removeAll() }
            return table.updateValue(workload, forKey: process) != workload
        }
    }
}
