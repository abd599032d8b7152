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
/// Nothing here waits for files, namespaces or the network: that is done beside, in bounded number. No process that is to be found
/// out is dropped, as the kernel part asks once: each user's wait for his own, see ``UserTurns``.
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
    private let openings: UserQueue<ProcessKey>
    private let examinations: UserQueue<ProcessKey>
    private let arrivals = WorkQueue(workers: Limits.Queues.arrivalsAtOnce, capacity: Limits.Queues.arrivals)
    private let changes = ChangedProcesses()
    private let identities = IdentifiedProcesses()

    init(
        kernel: KernelSession, networks: ServedNamespaces, handles: HandleTable, policy: PolicyBoard,
        attestor: Attestor,
        reconsideration: Reconsideration, proxy: LoopbackProxy, journal: AgentJournal, svids: SVIDKeeper,
        listenersChanged: @escaping @Sendable () -> Void,
    ) {
        self.kernel = kernel
        self.networks = networks
        self.handles = handles
        self.policy = policy
        self.attestor = attestor
        self.reconsideration = reconsideration
        self.proxy = proxy
        self.journal = journal
        self.svids = svids
        self.listenersChanged = listenersChanged
        openings = UserQueue(atOnce: Limits.Queues.openingsAtOnce, while: kernel.isAlive)
        examinations = UserQueue(atOnce: Limits.Queues.examinationsAtOnce, while: kernel.isAlive)
    }

    func run() async {
        let refusals = KernelRefusals(kernel: kernel, journal: journal)
        await withDiscardingTaskGroup { group in
            group.addTask {
                await openings.run { process, user in
                    await attestor.open(process)
                    examinations.add(process, of: user)
                }
            }
            group.addTask { await examinations.run { process, _ in await decide(process) } }
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
        case .unserved(let process, network: _):
            if !arrivals.add({ await serve(process) }) { kernel.countUndelivered(isNotice: false) }
        case .undecided(let process): wait(process, in: openings)
        case .credentialsChanged(let process):
            changes.note(process, on: .otherCredentials, hasDirect: true)
            listenersChanged()
        case .executed(let process, let connections):
            changes.note(process, on: .executed, hasDirect: connections.contains(.direct))
        }
    }

    private func take(_ notice: KernelNotice, _ refusals: KernelRefusals) {
        switch notice {
        case .identified(let process, let handle): take(process, handle)
        case .refused(let refusal): refusals.take(refusal)
        }
    }

    /// Whatever was not told is in the kernel part's tables; so are listeners of nobody, which are not told one by one. Those alone
    /// are looked at of whom something was not told: somebody whose share of news is used up makes no work but about himself.
    private func watchLosses() async {
        var known = kernel.statistics(), looked = KernelMoment.now
        // What was lost while no agent was there to hear it.
        await lookAgain(at: kernel.untoldPerhaps())
        while (try? await Task.sleep(for: Limits.Updates.ofListenersRead)) != nil {
            let moment = KernelMoment.now, now = kernel.statistics()
            defer { (known, looked) = (now, moment) }
            guard now.eventsLost > known.eventsLost else {
                if now.listenersOfNobody > known.listenersOfNobody { listenersChanged() }
                continue
            }
            listenersChanged()
            let isKnownOfWhom = now.eventsUndelivered == known.eventsUndelivered
            await lookAgain(at: isKnownOfWhom ? kernel.untold(since: looked) : kernel.untoldPerhaps())
        }
    }

    /// Nothing is to be found out of one that has ended.
    private func wait(_ process: ProcessKey, in queue: UserQueue<ProcessKey>) {
        if let payer = kernel.payer(of: process) { queue.add(process, of: payer) }
    }

    private func lookAgain(at processes: [ProcessKey: KernelConnections]) async {
        for (process, connections) in processes {
            if !connections.isEmpty {
                changes.note(process, on: .unseen, hasDirect: connections.contains(.direct))
            }
            // It may wait to be found out; where it does not, asking costs nothing.
            wait(process, in: openings)
        }
        await networks.lookAgain(at: processes.keys)
    }

    /// Before its first connection, mostly: the kernel part asks at exec.
    private func decide(_ process: ProcessKey) async {
        if let workloadID = await attestor.decide(process)?.workloadID { await announce(process, workloadID) }
        if kernel.listeners().contains(where: { $0.process == process }) { listenersChanged() }
    }

    private func take(_ process: ProcessKey, _ handle: IdentityHandle) {
        let workloadID = handles.workloadID(of: handle)
        // Its values may be those of files, which others do not wait for.
        if case .template? = workloadID { wait(process, in: examinations) }
        let path: SPIFFEPath? = if case .fixed(let path)? = workloadID { path } else { nil }
        if !arrivals.add({ await announce(process, path) }) { kernel.countUndelivered(isNotice: true) }
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
