import CLibBPF
import Glibc
import KernelABI
import Synchronization
package import Workloads

/// The kernel part of Tidemark, loaded or adopted: the only way anything else touches the kernel.
///
/// What it attaches and stores is pinned and stays when the session ends: the agent may die, its policy does not.
package final class KernelSession: Sendable {
    /// True when a former agent's maps and links were found pinned and are now this one's.
    package let adopted: Bool
    /// In the order the kernel told them; for one reader.
    package let events: AsyncStream<KernelEvent>

    private let cgroup: Cgroup
    private let selectors: SelectorMaps
    private let table: ProcessTable
    private let destinationSet: BPFMap<endpoint, UInt32>
    private let flows: BPFMap<CInt, flow>
    private let upstreams: BPFMap<CInt, upstream>
    private let listenerTable: BPFMap<endpoint, listener>
    private let proxyListeners: BPFMap<UInt32, UInt64>
    private let credentials: BPFMap<UInt32, agent_credentials>
    private let counters: BPFMap<UInt32, kernel_statistics>
    private let ring: EventRing
    private let changing = Mutex(())
    private let undelivered: UndeliveredEvents

    /// Loads the kernel part and attaches it to the configured cgroup and this thread's network namespace. Where one
    /// is pinned already its maps are kept and its programs replaced in place: nothing is unprotected meanwhile.
    package static func open(_ configuration: KernelConfiguration) throws(KernelError) -> KernelSession {
        guard geteuid() == 0 else { throw .notRoot(effectiveUserID: geteuid()) }
        let typeInformation = "/sys/kernel/btf/vmlinux"
        guard access(typeInformation, R_OK) == 0 else { throw .noTypeInformation(path: typeInformation) }
        let cgroup = try Cgroup(path: configuration.cgroupPath)
        try cgroup.requireOwnProcess()
        let pins = try PinDirectory(path: configuration.pinDirectory)
        let adopted = pins.isInhabited
        let object = try BPFObject(pinningMapsIn: pins.path)
        let session = try KernelSession(object, cgroup: cgroup, adopted: adopted)
        try object.run("register_agent", context: settings(outboundPort: configuration.outboundPort))
        let attachment = Attachment(cgroup: cgroup, pinDirectory: pins.links)
        for hook in Hook.all { try attachment.attach(hook, of: object) }
        return session
    }

    /// Detaches everything and forgets everything.
    package static func uninstall(pinDirectory: String) throws(KernelError) {
        try PinDirectory(path: pinDirectory).remove()
    }

    private init(_ object: borrowing BPFObject, cgroup: Cgroup, adopted: Bool) throws(KernelError) {
        self.cgroup = cgroup
        self.adopted = adopted
        selectors = try SelectorMaps(of: object)
        table = try ProcessTable(of: object)
        destinationSet = try object.map("destinations")
        flows = try object.map("flows")
        upstreams = try object.map("upstreams")
        listenerTable = try object.map("listeners")
        proxyListeners = try object.map("proxy_listeners")
        credentials = try object.map("agent_credentials")
        counters = try object.map("statistics")
        let (events, told) = AsyncStream.makeStream(of: KernelEvent.self, bufferingPolicy: .bufferingOldest(65536))
        let undelivered = UndeliveredEvents()
        self.events = events
        self.undelivered = undelivered
        ring = try EventRing(map: try object.ring("events")) { sample in
            guard let event = KernelEvent(sample) else { return }
            if case .dropped = told.yield(event) { undelivered.count.add(1, ordering: .relaxed) }
        }
    }

    private static func settings(outboundPort: UInt16) -> agent_settings {
        var settings = agent_settings()
        settings.netns_cookie = NetworkNamespace.currentCookie
        settings.outbound_port = outboundPort
        return settings
    }
}

// MARK: Policy

extension KernelSession {
    /// Puts a policy into force, all of it or nothing; running processes are decided by it from their next `connect`.
    ///
    /// - Parameter handles: for each workload ID of the program.
    package func install(_ program: SelectorProgram, handles: [String: IdentityHandle]) throws(KernelError) {
        try selectors.install(SelectorTables(program, handles: handles))
    }

    /// Where managed processes are redirected from now on, and nowhere else.
    package func setDestinations(_ endpoints: Set<InternetEndpoint>) throws(KernelError) {
        try changing.withLock { (_) throws(KernelError) in
            let present = Dictionary(destinationSet.keys.map { (InternetEndpoint($0), $0) }) { first, _ in first }
            for endpoint in endpoints where present[endpoint] == nil { try destinationSet.set(1, for: endpoint.abi) }
            for (endpoint, key) in present where !endpoints.contains(endpoint) { try destinationSet.remove(key) }
        }
    }
}

// MARK: Processes

extension KernelSession {
    /// What is known of a process: as of its exec, with its credentials of now.
    ///
    /// - Returns: nil for a process that is gone or that started before the kernel part.
    package func facts(of pid: Int32) -> ProcessFacts? { table.facts(of: pid) }

    package func processes() -> [ProcessFacts] { table.all() }

    /// Whether new sockets of the process are seen by the kernel part.
    package func isInScope(pid: Int32) -> Bool { cgroup.contains(pid: pid) }
}

// MARK: Connections

extension KernelSession {
    /// Who opened a connection that the outbound listener accepted, and for where.
    ///
    /// - Returns: nil for a connection nobody redirected; refuse it.
    package func flow(ofAccepted fd: CInt) -> KernelFlow? {
        flows[fd].flatMap { KernelFlow($0) }
    }

    /// To be called before `fd` connects: its connection reaches the application itself, which sees `client`.
    package func prepareUpstream(fd: CInt, client: InternetEndpoint) throws(KernelError) {
        try upstreams.set(upstream(client: client.abi, connection: connection()), for: fd)
    }

    /// Cuts every live connection that was opened as one of these, redirected or not, on both of its ends.
    ///
    /// - Returns: how many sockets that were; those of this thread's network namespace.
    @discardableResult
    package func destroySockets(of identities: Set<IdentityHandle>) throws(KernelError) -> Int {
        var diagnosis = try SocketDiagnosis()
        let found = try diagnosis.connections(taggedIn: flows.fileDescriptor)
            .filter { identities.contains(IdentityHandle(rawValue: $0.flow.identity)) }
        for connection in found { try diagnosis.destroy(connection) }
        return found.count
    }

    /// Gives the proxy's listening sockets to the kernel part. Until then, and after they close, connections are
    /// dropped.
    package func registerListeners(
        outbound4: CInt?, outbound6: CInt?, inbound4: CInt?, inbound6: CInt?,
    ) throws(KernelError) {
        let slots = [
            (PROXY_OUTBOUND_IPV4, outbound4), (PROXY_OUTBOUND_IPV6, outbound6),
            (PROXY_INBOUND_IPV4, inbound4), (PROXY_INBOUND_IPV6, inbound6),
        ]
        for case (let slot, let listener?) in slots { try proxyListeners.set(UInt64(listener), for: slot.rawValue) }
    }
}

// MARK: Listeners

extension KernelSession {
    /// Every listening socket of a process in scope, opened since the kernel part was first loaded.
    package func listeners() throws(KernelError) -> [ListeningSocket] {
        listenerTable.keys.compactMap { key in listenerTable[key].map { ListeningSocket(key, $0) } }
    }

    /// Decides a listener anew. `.none`: its connections reach it directly from now on.
    package func setListenerIdentity(_ endpoint: InternetEndpoint, _ handle: IdentityHandle) throws(KernelError) {
        guard var listener = listenerTable[endpoint.abi] else { throw .unknownListener(endpoint) }
        listener.identity = handle.rawValue
        try listenerTable.set(listener, for: endpoint.abi)
    }
}

// MARK: The agent's own

extension KernelSession {
    package func statistics() -> KernelStatistics {
        var statistics = KernelStatistics(summing: counters.fileDescriptor)
        statistics.eventsLost += undelivered.count.load(ordering: .relaxed)
        return statistics
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

/// Events nobody read in time.
private final class UndeliveredEvents: Sendable {
    let count = Atomic<UInt64>(0)
}
