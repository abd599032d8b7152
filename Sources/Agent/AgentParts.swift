import ControlPlaneAPI
import Kernel
import Limits
import Logging
import Proxy
import SPIFFE
import Workloads

/// What an agent leaves to the one after it, beside the snapshot.
struct AgentMemory: Sendable {
    let listeners: KeptState<[UInt64: KnownListener]>
    let programs: KeptState<[KnownImages.Script]>

    init(directory: String) {
        listeners = KeptState(directory: directory, name: "listeners.json")
        programs = KeptState(directory: directory, name: "programs.json")
    }

    func flush() throws {
        try listeners.flush()
        try programs.flush()
    }
}

/// The kernel part, and what is known of who runs on this host.
struct AgentKnowledge: Sendable {
    let kernel: KernelSession
    let policy = PolicyBoard()
    let handles = HandleTable()
    let hasher = FileHasher()
    let refusals = RecentRefusals()
    let interpreters: KnownInterpreters
    let attestor: Attestor
    let memory: AgentMemory

    init(_ configuration: AgentConfiguration, logger: Logger) throws {
        kernel = try KernelSession.open(configuration.kernel())
        logger.info(kernel.adopted ? "kernel state adopted" : "kernel part loaded")
        if case .unavailable(let reason) = kernel.lsmGuard {
            logger.info("no guard against tracers, an extra of kernels with BPF LSM: \(reason)")
        }
        interpreters = KnownInterpreters(configuration.interpreters)
        memory = AgentMemory(directory: configuration.stateDirectory)
        // Of a kernel part that was loaded anew the same numbers can mean other programs.
        attestor = Attestor(
            kernel: kernel, hasher: hasher, interpreters: interpreters,
            scripts: kernel.adopted ? memory.programs.load() ?? [] : [])
    }

    /// What the audit is told of a process, while it is the same image.
    @Sendable func evidence(of key: ProcessKey) -> ProcessEvidence? {
        kernel.facts(of: key.pid).flatMap { $0.key == key ? ProcessEvidence($0) : nil }
    }
}

/// What the control plane gives, and what it is told.
struct AgentCredentials: Sendable {
    let link: ControlPlaneLink
    let forwarder: AuditForwarder
    let journal: AgentJournal
    let svids: SVIDKeeper
    let tokens: TokenKeeper
    let introspection: IntrospectionCache

    /// - Parameter lastSnapshot: nil: there is none yet.
    init(
        _ configuration: AgentConfiguration, _ knowledge: AgentKnowledge, lastSnapshot: PolicySnapshot?, logger: Logger,
    ) throws {
        let link = ControlPlaneLink(
            configuration: configuration, vault: KernelVault(kernel: knowledge.kernel), bundle: lastSnapshot?.bundle,
            logger: logger)
        self.link = link
        let (names, policy) = (NameOrigins(lastSnapshot), knowledge.policy)
        forwarder = try AuditForwarder(
            directory: configuration.stateDirectory, logger: logger,
            origin: { policy.current.origin(of: $0) ?? names.origin(of: $0) }
        ) {
            try await link.agentClient().report(audit: $0)
        }
        journal = AgentJournal(forwarder: forwarder, refusals: knowledge.refusals, evidence: knowledge.evidence)
        svids = SVIDKeeper(link: link, policy: knowledge.policy, evidence: knowledge.evidence, logger: logger)
        tokens = TokenKeeper { [link] in try await link.client(as: $0) }
        introspection = IntrospectionCache(link: link, svids: svids)
    }
}

/// What connections go through, and what decides on them.
struct AgentTraffic: Sendable {
    let knowledge: AgentKnowledge
    let credentials: AgentCredentials
    let proxy: LoopbackProxy
    let networks: ServedNamespaces
    let reconsideration: Reconsideration
    let enforcer: Enforcer
    let reporter: EndpointReporter
    /// Listeners may be others, or be reachable that were not.
    private let changes = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))

    init(
        _ configuration: AgentConfiguration, _ knowledge: AgentKnowledge, _ credentials: AgentCredentials,
        logger: Logger,
    ) throws {
        self.knowledge = knowledge
        self.credentials = credentials
        let (kernel, policy, handles) = (knowledge.kernel, knowledge.policy, knowledge.handles)
        let listenersChanged: @Sendable () -> Void = { [told = changes.continuation] in told.yield() }
        let standings = Standings(kernel: kernel, policy: policy, attestor: knowledge.attestor)
        proxy = LoopbackProxy(
            dependencies: ProxyDependencies(
                flows: KernelFlows(
                    kernel: kernel, policy: policy, handles: handles, attestor: knowledge.attestor, standings: standings
                ),
                svids: credentials.svids,
                routes: AgentRoutes(kernel: kernel, policy: policy, handles: handles),
                tokens: credentials.tokens,
                introspector: credentials.introspection,
                journal: credentials.journal,
                limits: configuration.limits,
                logger: logger,
            ),
        )
        let networks = try ServedNamespaces(
            placement: KernelPlacement(kernel: kernel, proxy: proxy, outboundPort: configuration.outboundPort),
            logger: logger, changed: listenersChanged)
        self.networks = networks
        reconsideration = Reconsideration(
            standings: standings, policy: policy, proxy: proxy,
            direct: DirectConnections(
                kernel: kernel, policy: policy, handles: handles, networks: { await networks.all },
                journal: credentials.journal, logger: logger))
        enforcer = Enforcer(
            networks: networks, kernel: kernel, policy: policy, handles: handles, attestor: knowledge.attestor,
            proxy: proxy, reconsideration: reconsideration, kept: knowledge.memory.listeners, logger: logger,
            listenersChanged: listenersChanged)
        reporter = EndpointReporter(enforcer: enforcer, link: credentials.link, logger: logger)
    }

    /// What a reboot or a crash left behind is enforced before anything can connect through here, and every listener is
    /// decided before connections are steered: those of programs that ran before are never interrupted.
    func begin(enforcing lastSnapshot: PolicySnapshot?) async throws {
        let patience = Limits.Wait.listenersAtStart
        if let lastSnapshot {
            try await enforcer.enforce(lastSnapshot, patience: patience)
        } else {
            try await enforcer.redecideListeners(patience: patience)
        }
        try await networks.serveOwn()
    }

    /// - Parameter file: where each snapshot is kept once it is enforced.
    func follower(keeping file: SnapshotFile, logger: Logger) -> PolicyFollower {
        PolicyFollower(
            link: credentials.link, file: file,
            enforce: { snapshot in
                try await credentials.link.adopt(bundle: snapshot.bundle)
                await credentials.introspection.revoke(tokens: snapshot.revokedTokens, subjects: snapshot.withdrawn)
                try await enforcer.enforce(snapshot)
                await credentials.svids.follow(knowledge.policy.current)
                await credentials.tokens.retain(snapshot.resources)
            },
            adopt: { try await enforcer.adopt(endpoints: $0) },
            acknowledge: { try await credentials.link.agentClient().acknowledge($0) },
            connected: { isNewStream in
                enforcer.sweep()
                if isNewStream { await reporter.repeatReport() } else { await reporter.refresh() }
            },
            logger: logger,
        )
    }

    /// - Parameter named: network namespaces that have a name, which are served before anybody is seen in them.
    func activities(watching named: MountedNamespaces, logger: Logger) -> [Activity] {
        let events = KernelEventLoop(
            kernel: knowledge.kernel, networks: networks, handles: knowledge.handles, policy: knowledge.policy,
            attestor: knowledge.attestor, reconsideration: reconsideration, proxy: proxy, journal: credentials.journal,
            svids: credentials.svids, listenersChanged: { changes.continuation.yield() },
        )
        return [
            Activity("proxy") { try await proxy.run() },
            Activity("network namespaces") { await networks.run() },
            Activity("named network namespaces") {
                defer { named.cancel() }
                for await paths in try named.changes() { await networks.prepare(paths) }
            },
            Activity("kernel events") { await events.run() },
            Activity("listeners") { for await _ in changes.stream { await reporter.refresh() } },
            Activity("addresses") { await reporter.run() },
            .writing("whose listeners are", every: Limits.Updates.ofListenersRead, logger: logger) {
                try knowledge.memory.listeners.flush()
            },
            .writing("what programs run", every: Limits.Updates.ofSnapshotFile, logger: logger) {
                await keepScripts()
                try knowledge.memory.programs.flush()
            },
        ]
    }

    /// For the agent after this one, once this is written.
    func keepScripts() async { knowledge.memory.programs.keep(await knowledge.attestor.scripts) }
}

/// The agent's credential in the kernel's memory.
private struct KernelVault: ControlPlaneLink.CredentialVault {
    let kernel: KernelSession

    func load() -> [UInt8]? { kernel.loadCredentials() }
    func store(_ bytes: [UInt8]) throws { try kernel.storeCredentials(bytes) }
}
