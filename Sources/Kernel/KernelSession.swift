import CLibBPF
import Dispatch
import Glibc
import KernelABI
import Limits
import Synchronization
package import Workloads

/// The kernel part of Tidemark, loaded or adopted: the only way anything else touches the kernel.
///
/// What it attaches and stores is pinned and stays when the session ends: the agent may die, its policy does not.
package final class KernelSession: Sendable {
    /// True when a former agent's maps and links were found pinned and are now this one's.
    package let adopted: Bool
    /// Whether this kernel has the extra of BPF LSM.
    package let lsmGuard: LSMGuard
    /// In the order the kernel told them; for one reader, as the other stream.
    package let events: AsyncStream<KernelEvent>
    package let notices: AsyncStream<KernelNotice>

    let cgroup: Cgroup
    private let attachment: Attachment
    private let selectors: SelectorMaps
    let table: ProcessTable
    private let steering: Steering
    private let probe: DecisionProbe
    private let destinationSet: BPFMap<place, UInt32>
    private let flows: BPFMap<CInt, kept_flow>
    private let upstreams: BPFMap<CInt, upstream>
    let listenerTable: ListenerTable
    let acceptedClients: BPFMap<CInt, endpoint>
    private let credentials: BPFMap<UInt32, agent_credentials>
    private let counters: BPFMap<UInt32, kernel_statistics>
    private let refusals: RefusalTallies
    private let outbound: OutboundMaps
    private let rings: [EventRing]
    /// Empty once nothing is delivered any more: until then nobody else reads the rings.
    let deliveries = DispatchGroup()
    private let changing = Mutex(())
    let undelivered: Undelivered
    let undeliveredNotices: Undelivered

    /// Loads the kernel part and attaches it to the configured cgroup. Where one is pinned already its maps are kept and
    /// its programs replaced in place: nothing is unprotected meanwhile. Where none is, the processes that run and the
    /// sockets they listen on are found; each of those listeners is `.undecided` until told otherwise.
    ///
    /// Connections are redirected once the calling thread's network namespace, or another, is served:
    /// ``serve(_:listeners:)``.
    package static func open(_ configuration: KernelConfiguration) throws(KernelError) -> KernelSession {
        guard geteuid() == 0 else { throw .notRoot(effectiveUserID: geteuid()) }
        try MinimumKernel.require()
        let cgroup = try Cgroup(path: configuration.cgroupPath)
        try cgroup.requireOwnProcess()
        let pins = try PinDirectory(path: configuration.pinDirectory)
        let adopted = pins.isInhabited
        let programs = try KernelPrograms(pinningMapsIn: pins.path)
        return try open(configuration, programs, cgroup: cgroup, pins: pins, adopted: adopted)
    }

    /// - Parameter programs: whose maps are pinned in `pins`.
    static func open(
        _ configuration: KernelConfiguration, _ programs: KernelPrograms, cgroup: Cgroup, pins: PinDirectory,
        adopted: Bool,
    ) throws(KernelError) -> KernelSession {
        let attachment = Attachment(cgroup: cgroup, pinDirectory: pins.links)
        let session = try KernelSession(
            programs, cgroup: cgroup, attachment: attachment, adopted: adopted,
            lsmGuard: .attach(programs.guarding, attachment),
        )
        let agent: BPFMap<UInt32, agent_settings> = try programs.host.map("agent")
        var settings = agent_settings()
        settings.cgroup_id = cgroup.id
        settings.outbound_port = configuration.outboundPort
        settings.found_running = agent[0]?.found_running ?? 0
        try programs.host.run("register_agent", context: settings)
        for hook in Hook.all { try attachment.attach(hook, of: programs.host) }
        if settings.found_running == 0 { try findWhatRuns(programs.host, noting: agent) }
        return session
    }

    /// Processes twice: one that was forked behind the iterator's back, by one not found yet, is found then.
    private static func findWhatRuns(
        _ object: borrowing BPFObject, noting agent: BPFMap<UInt32, agent_settings>,
    ) throws(KernelError) {
        try object.iterate("find_processes")
        try object.iterate("find_processes")
        try object.iterate("find_listeners")
        guard var settings = agent[0] else { return }
        settings.found_running = 1
        try agent.set(settings, for: 0)
    }

    /// Detaches everything and forgets everything.
    package static func uninstall(pinDirectory: String) throws(KernelError) {
        try PinDirectory(path: pinDirectory).remove()
    }

    private init(
        _ programs: KernelPrograms, cgroup: Cgroup, attachment: Attachment, adopted: Bool, lsmGuard: LSMGuard,
    ) throws(KernelError) {
        self.lsmGuard = lsmGuard
        self.cgroup = cgroup
        self.attachment = attachment
        self.adopted = adopted
        selectors = try SelectorMaps(of: programs.host)
        table = try ProcessTable(of: programs.host)
        steering = try Steering(programs)
        probe = try DecisionProbe(of: programs.host)
        destinationSet = try programs.host.map("destinations")
        flows = try programs.host.map("flows")
        upstreams = try programs.host.map("upstreams")
        listenerTable = try ListenerTable(of: programs.host)
        acceptedClients = try programs.host.map("accepted_clients")
        credentials = try programs.host.map("agent_credentials")
        counters = try programs.host.map("statistics")
        refusals = try RefusalTallies(of: programs.host)
        outbound = try OutboundMaps(of: programs.host)
        let (events, eventRing, lostEvents) = try Self.stream(of: programs.host, ring: "events", deliveries) {
            KernelEvent($0)
        }
        let (notices, noticeRing, lostNotices) = try Self.stream(of: programs.host, ring: "notices", deliveries) {
            KernelNotice($0)
        }
        self.events = events
        self.notices = notices
        undelivered = lostEvents
        undeliveredNotices = lostNotices
        rings = [eventRing, noticeRing]
    }

    private static func stream<Element: Sendable>(
        of object: borrowing BPFObject, ring: String, _ deliveries: DispatchGroup,
        _ read: @escaping @Sendable (kernel_event) -> Element?,
    ) throws(KernelError) -> (AsyncStream<Element>, EventRing, Undelivered) {
        let (stream, told) = AsyncStream.makeStream(
            of: Element.self, bufferingPolicy: .bufferingOldest(Limits.Queues.events))
        let undelivered = Undelivered()
        let ring = try EventRing(map: try object.descriptor(ofMap: ring)) { sample in
            guard let element = read(sample) else { return }
            if case .dropped = told.yield(element) { undelivered.add() }
        } ended: {
            told.finish()
            deliveries.leave()
        }
        deliveries.enter()
        return (stream, ring, undelivered)
    }
}

// MARK: Policy

extension KernelSession {
    /// Puts a policy into force, all of it or nothing; running processes are decided by it from their next `connect`.
    ///
    /// - Parameters:
    ///   - handles: for each workload ID of the program.
    ///   - known: what ``answer(_:holding:generation:)`` would be told of processes at once.
    /// - Returns: what the answers of user space have to be for.
    @discardableResult
    package func install(
        _ program: SelectorProgram, handles: [WorkloadName: IdentityHandle], known: [ProcessImage: [Int]] = [:],
    ) throws(KernelError) -> PolicyGeneration {
        let generation = try selectors.install(SelectorTables(program, handles: handles), known: known)
        for image in known.keys { try forgetIfOver(image) }
        return generation
    }

    /// Of the policy in force.
    package var generation: PolicyGeneration { selectors.generation }

    /// Takes former policies out of the kernel: some ten milliseconds, which nobody has to wait for.
    package func sweepPolicies() throws(KernelError) { try selectors.sweep() }

    /// Decides an undecided process as far as user space can: by the slots of the program that need it.
    ///
    /// - Parameter slots: those of which all user-space keys hold, see ``SelectorProgram/residue(holdingFor:)``.
    /// - Returns: false where another policy is in force by now.
    package func answer(
        _ image: ProcessImage, holding slots: [Int], generation: PolicyGeneration,
    ) throws(KernelError) -> Bool {
        guard try selectors.answer(image, holding: slots, generation: generation) else { return false }
        try forgetIfOver(image)
        return true
    }

    /// The kernel part removes answers on exec and exit: one that came after that would stay for good.
    private func forgetIfOver(_ image: ProcessImage) throws(KernelError) {
        if !table.isRunning(image) { try selectors.forget(image) }
    }

    /// Whether ``answer(_:holding:generation:)`` was told of this image under the policy in force.
    package func isAnswered(_ image: ProcessImage) -> Bool { selectors.isAnswered(image) }

    /// Where managed processes are redirected from now on, and nowhere else.
    ///
    /// - Parameters:
    ///   - endpoints: from every network namespace.
    ///   - local: by the cookie of the one network namespace in which it means this.
    package func setDestinations(
        _ endpoints: Set<InternetEndpoint>, in local: [UInt64: Set<InternetEndpoint>] = [:],
    ) throws(KernelError) {
        var wanted = Set(endpoints.map { Place(network: 0, endpoint: $0) })
        for (network, endpoints) in local {
            wanted.formUnion(endpoints.map { Place(network: network, endpoint: $0) })
        }
        try changing.withLock { (_) throws(KernelError) in
            let present = Set(destinationSet.keys.map(Place.init))
            // First, so that there is room for what is new.
            for place in present.subtracting(wanted) { try destinationSet.remove(place.abi) }
            for place in wanted.subtracting(present) { try destinationSet.set(1, for: place.abi) }
        }
    }
}

extension KernelSession {
    /// What managed processes may reach besides managed places from now on, or from the next ``install(_:handles:known:)``
    /// for identities it brings; the rest of what was said before holds until ``settleOutbound()``.
    package func prepareOutbound(_ policy: OutboundRules) throws(KernelError) { try outbound.prepare(policy) }

    /// From now on what was prepared last, and nothing else.
    package func settleOutbound() throws(KernelError) { try outbound.settle() }
}

/// An endpoint in one network namespace, or in all of them: 0.
private struct Place: Hashable {
    let network: UInt64
    let endpoint: InternetEndpoint

    init(network: UInt64, endpoint: InternetEndpoint) {
        self.network = network
        self.endpoint = endpoint
    }

    init(_ place: place) { self.init(network: place.netns_cookie, endpoint: InternetEndpoint(place.endpoint)) }

    var abi: place { place(netns_cookie: network, endpoint: endpoint.abi, ipv6_only: 0) }
}

// MARK: Network namespaces

extension KernelSession {
    /// From now on connections of managed processes in this network namespace go to these listeners, which belong to it.
    package func serve(_ network: NetworkNamespace, listeners: ProxyListeners) throws(KernelError) {
        try forgetEndedNetworks()
        try steering.begin(in: network, listeners: listeners, attachment: attachment)
    }

    /// Connections of managed processes there are refused again, and nobody reaches their listeners.
    package func abandon(network cookie: UInt64) throws(KernelError) {
        try steering.end(in: cookie)
        try forgetEndedNetworks()
    }

    /// Takes out what is left of network namespaces that have ended. Cheap where none has.
    package func forgetEndedNetworks() throws(KernelError) {
        try steering.forgetEnded(attachment)
    }

    /// Cookies of those that are served, or were by a former agent whose listeners are gone.
    package var servedNetworks: Set<UInt64> { steering.served }
}

// MARK: Processes

extension KernelSession {
    /// What is known of a process: as of its exec, with its credentials of now.
    ///
    /// - Returns: nil for a process that is gone or that started before the kernel part.
    package func facts(of pid: Int32) -> ProcessFacts? { table.facts(of: pid)?.facts }

    /// The same, with the image they are the facts of.
    package func record(of pid: Int32) -> (facts: ProcessFacts, image: ProcessImage)? { table.facts(of: pid) }

    package func processes() -> [ProcessFacts] { table.all() }

    /// Which identity the kernel part would give a process with these facts, whether or not there is one.
    ///
    /// - Parameter slots: what user space would answer where it is asked, see ``answer(_:holding:generation:)``; nil:
    ///   it has not answered.
    package func decide(
        _ facts: ProcessFacts, holding slots: [Int]? = nil, generation: PolicyGeneration? = nil,
    ) throws(KernelError) -> KernelDecision {
        try probe.decide(facts) { (image) throws(KernelError) in
            guard let slots, let generation else { return }
            _ = try selectors.answer(image, holding: slots, generation: generation)
        }
    }
}

// MARK: Connections

extension KernelSession {
    /// Who opened a connection that the outbound listener accepted, and for where.
    ///
    /// - Returns: nil for a connection nobody redirected; refuse it.
    package func flow(ofAccepted fd: CInt) -> KernelFlow? {
        flows[fd].flatMap { KernelFlow($0) }
    }

    /// Of the map with the records of sockets.
    var flowDescriptor: CInt { flows.fileDescriptor }

    /// To be called before `fd` connects: its connection reaches the application itself, which sees `client`.
    ///
    /// - Parameter identity: whose application is meant: where another one's socket would take it, it is dropped. `.none`:
    ///   that of any workload.
    package func prepareUpstream(
        fd: CInt, client: InternetEndpoint, for identity: IdentityHandle = .none,
    ) throws(KernelError) {
        try upstreams.set(
            upstream(connection: connection(), client: client.abi, identity: identity.rawValue), for: fd)
    }

    /// Cuts live connections that managed processes opened, redirected or not, on both of their ends.
    ///
    /// - Returns: how many sockets that were; those of these network namespaces, or of this thread's.
    @discardableResult
    package func destroySockets(
        in networks: [NetworkNamespace] = [], where isDoomed: @escaping @Sendable (KernelSocket.Record) -> Bool,
    ) throws(KernelError) -> Int {
        let flows = flows.fileDescriptor
        let cut: @Sendable () throws(KernelError) -> Int = { () throws(KernelError) in
            var diagnosis = try SocketDiagnosis()
            let found = try diagnosis.connections(taggedIn: flows)
                .filter { $0.flow.map { isDoomed(KernelSocket.Record($0)) } ?? false }
            for connection in found { try diagnosis.destroy(connection) }
            return found.count
        }
        guard !networks.isEmpty else { return try cut() }
        var count = 0
        for network in networks { count += try network.run(cut) }
        return count
    }
}

// MARK: The agent's own

extension KernelSession {
    package func statistics() -> KernelStatistics {
        var statistics = KernelStatistics(summing: counters.fileDescriptor)
        statistics.eventsUndelivered = undelivered.count.load(ordering: .relaxed)
        statistics.eventsLost += statistics.eventsUndelivered
        statistics.noticesLost += undeliveredNotices.count.load(ordering: .relaxed)
        return statistics
    }

    /// How often whom the kernel part refused, ever. Bounded in number, whoever is refused.
    package func refusalCounts() -> [KernelRefusal.Source: UInt64] { refusals.counts() }

    /// Makes room for others; one that is refused again counts from one.
    package func forgetRefusals(of sources: some Sequence<KernelRefusal.Source>) throws(KernelError) {
        try refusals.forget(sources)
    }

    /// Keeps the agent's own key and certificate in kernel memory, for its next life.
    ///
    /// - Parameter bytes: at most 8192; none at all forgets them.
    package func storeCredentials(_ bytes: [UInt8]) throws(KernelError) {
        let maximum = Int(AGENT_CREDENTIALS_LEN)
        guard bytes.count <= maximum else { throw .credentialsTooLong(bytes: bytes.count, maximum: maximum) }
        var stored = agent_credentials()
        stored.length = UInt32(bytes.count)
        withUnsafeMutableBytes(of: &stored.words) { $0.copyBytes(from: bytes) }
        try credentials.set(stored, for: 0)
    }

    package func loadCredentials() -> [UInt8]? {
        guard let stored = credentials[0], stored.length > 0 else { return nil }
        return withUnsafeBytes(of: stored.words) { Array($0.prefix(Int(stored.length))) }
    }
}
