import ControlPlaneAPI
import Foundation
import Kernel
package import Logging
import Proxy
import SPIFFE
import ServiceLifecycle
import Workloads

/// One host's agent: everything wired together, one page.
package struct AgentService: Service {
    private let configuration: AgentConfiguration
    private let logger: Logger

    package init(configuration: AgentConfiguration, logger: Logger) {
        self.configuration = configuration
        self.logger = logger
    }

    package func run() async throws {
        let file = try SnapshotFile(directory: configuration.stateDirectory)
        let kernel = try KernelSession.open(configuration.kernel())
        logger.info(kernel.adopted ? "kernel state adopted" : "kernel part loaded")
        if case .unavailable(let reason) = kernel.lsmGuard {
            logger.info("no guard against tracers, an extra of kernels with BPF LSM: \(reason)")
        }

        let lastSnapshot = try file.load()
        let policy = PolicyBoard()
        let handles = HandleTable()
        let hasher = FileHasher()
        let attestor = Attestor(kernel: kernel, hasher: hasher)
        let refusals = RecentRefusals()
        let evidence: @Sendable (ProcessKey) -> ProcessEvidence? = { key in
            kernel.facts(of: key.pid).flatMap { $0.key == key ? ProcessEvidence($0) : nil }
        }

        let link = ControlPlaneLink(
            configuration: configuration, vault: KernelVault(kernel: kernel), bundle: lastSnapshot?.bundle,
            logger: logger,
        )
        let forwarder = AuditForwarder(link: link, logger: logger)
        let journal = AgentJournal(forwarder: forwarder, refusals: refusals, evidence: evidence)
        let svids = SVIDKeeper(link: link, policy: policy, evidence: evidence, logger: logger)
        let tokens = TokenKeeper(link: link, logger: logger)
        let introspection = IntrospectionCache(link: link, svids: svids)
        let changes = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let proxy = LoopbackProxy(
            dependencies: ProxyDependencies(
                flows: KernelFlows(kernel: kernel, policy: policy, handles: handles, attestor: attestor),
                svids: svids,
                routes: AgentRoutes(kernel: kernel, policy: policy, handles: handles),
                tokens: tokens,
                introspector: introspection,
                journal: journal,
                logger: logger,
            ),
        )
        let networks = try ServedNamespaces(
            kernel: kernel, proxy: proxy, outboundPort: configuration.outboundPort, logger: logger,
            changed: { changes.continuation.yield() },
        )
        let enforcer = Enforcer(
            networks: networks, kernel: kernel, policy: policy, handles: handles, attestor: attestor, proxy: proxy,
            logger: logger, listenersChanged: { changes.continuation.yield() },
        )
        let reporter = EndpointReporter(enforcer: enforcer, link: link, logger: logger)

        // What a reboot or a crash left behind is enforced before anything can connect through here, and every listener is
        // decided before connections are steered: those of programs that ran before are never interrupted.
        let patience = Duration.seconds(60)
        if let lastSnapshot {
            try await enforcer.enforce(lastSnapshot, patience: patience)
        } else {
            try await enforcer.redecideListeners(patience: patience)
        }
        try await networks.serveOwn()

        let follower = PolicyFollower(
            link: link, file: file,
            enforce: { snapshot in
                await introspection.revoke(tokens: snapshot.revokedTokens, subjects: snapshot.withdrawn)
                try await enforcer.enforce(snapshot)
                let current = policy.current
                await svids.retain { current.identity(of: $0) != nil }
                await tokens.retain(snapshot.resources)
            },
            connected: {
                enforcer.sweep()
                await reporter.refresh()
            },
            logger: logger,
        )
        let named = configuration.namedNetworks
        let events = KernelEventLoop(
            kernel: kernel, networks: networks, handles: handles, policy: policy, attestor: attestor,
            enforcer: enforcer, journal: journal, svids: svids,
            listenersChanged: { changes.continuation.yield() },
        )
        let inspection = ProcessInspection(kernel: kernel, policy: policy, hasher: hasher)
        let served: @Sendable () async -> [NetworkNamespace] = { await networks.all }
        let explainer = Explainer(
            kernel: kernel, policy: policy, handles: handles, refusals: refusals, networks: served,
            inspection: inspection)
        let api = LocalAPI(
            socket: configuration.socket,
            explainer: explainer,
            connections: ConnectionFinder(
                kernel: kernel, proxy: proxy, policy: policy, refusals: refusals, explainer: explainer, networks: served,
            ),
            drafts: DraftTrial(
                kernel: kernel, policy: policy, inspection: inspection, agentGroup: { await link.spiffeID?.agentGroup }),
            activity: WorkloadActivity(kernel: kernel, proxy: proxy, handles: handles, refusals: refusals),
            status: {
                AgentSelfStatus(
                    spiffeID: await link.spiffeID?.description ?? "", version: policy.current.version,
                    controlPlane: follower.controlPlane, identities: policy.current.snapshot?.identities.count ?? 0,
                    svids: await svids.count, connections: proxy.connectionCount, networks: await networks.all.count,
                    auditQueued: forwarder.backlog.queued, auditLost: forwarder.backlog.lost,
                    kernel: KernelCounters(kernel.statistics()),
                )
            },
            logger: logger,
        )

        try await serve([
            Activity("proxy") { try await proxy.run() },
            Activity("control plane link") { await link.run() },
            Activity("policy") { await follower.run() },
            Activity("SVID renewal") { await svids.run() },
            Activity("audit") { await forwarder.run() },
            Activity("network namespaces") { await networks.run() },
            Activity("named network namespaces") {
                defer { named.cancel() }
                for await paths in try named.changes() { await networks.prepare(paths) }
            },
            Activity("kernel events") { await events.run() },
            Activity("listeners") { for await _ in changes.stream { await reporter.refresh() } },
            Activity("addresses") { await reporter.run() },
            Activity("losses") { await LossWatch.run({ KernelCounters(kernel.statistics()) }, logger: logger) },
            Activity("local API") { try await api.run() },
        ])
    }

    /// Runs them side by side until the program is told to stop, or one fails.
    private func serve(_ activities: [Activity]) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for activity in activities { group.addTask { try await activity.run(logger: logger) } }
            group.addTask { try await gracefulShutdown() }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    package static func uninstall(pinDirectory: String) throws {
        try KernelSession.uninstall(pinDirectory: pinDirectory)
    }
}

/// One long-lived part of the agent, by name.
private struct Activity: Sendable {
    let name: String
    let body: @Sendable () async throws -> Void

    init(_ name: String, body: @escaping @Sendable () async throws -> Void) {
        self.name = name
        self.body = body
    }

    func run(logger: Logger) async throws {
        do { try await body() } catch is CancellationError {
        } catch {
            logger.error("\(name) failed: \(error)")
            throw error
        }
    }
}

/// The agent's credential in the kernel's memory.
private struct KernelVault: ControlPlaneLink.CredentialVault {
    let kernel: KernelSession

    func load() -> [UInt8]? { kernel.loadCredentials() }
    func store(_ bytes: [UInt8]) throws { try kernel.storeCredentials(bytes) }
}
