import ControlPlaneAPI
import Foundation
import Kernel
import Limits
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
        let knowledge = try AgentKnowledge(configuration, logger: logger)
        let lastSnapshot = try file.load()
        let credentials = try AgentCredentials(
            configuration, knowledge, lastSnapshot: lastSnapshot, logger: logger)
        defer {
            // The proxy has told of its ends by now.
            credentials.journal.endWindow()
            credentials.forwarder.keep()
            try? file.flush()
            try? knowledge.memory.flush()
        }
        let traffic = try AgentTraffic(configuration, knowledge, credentials, logger: logger)
        try await traffic.begin(enforcing: lastSnapshot)

        let follower = traffic.follower(keeping: file, logger: logger)
        let api = localAPI(of: traffic, follower)
        try await serve(
            [
                Activity("control plane link") { await credentials.link.run() },
                Activity("policy") { await follower.run() },
                .writing("the snapshot", every: Limits.Updates.ofSnapshotFile, logger: logger) { try file.flush() },
                Activity("SVID renewal") { await credentials.svids.run() },
                Activity("audit") { await credentials.forwarder.run() },
                Activity("losses") { [logger] in
                    await LossWatch.run({ KernelCounters(knowledge.kernel.statistics()) }, logger: logger)
                },
                Activity("local API") { try await api.run() },
            ] + traffic.activities(watching: configuration.namedNetworks, logger: logger))
    }

    private func localAPI(of traffic: AgentTraffic, _ follower: PolicyFollower) -> LocalAPI {
        let (knowledge, credentials, networks, proxy) =
            (traffic.knowledge, traffic.credentials, traffic.networks, traffic.proxy)
        let (kernel, policy, link) = (knowledge.kernel, knowledge.policy, credentials.link)
        let inspection = ProcessInspection(
            kernel: kernel, policy: policy, attestor: knowledge.attestor, hasher: knowledge.hasher,
            interpreters: knowledge.interpreters)
        let served: @Sendable () async -> [NetworkNamespace] = { await networks.all }
        let explainer = Explainer(
            kernel: kernel, policy: policy, handles: knowledge.handles, refusals: knowledge.refusals, networks: served,
            inspection: inspection)
        return LocalAPI(
            socket: configuration.socket,
            explainer: explainer,
            connections: ConnectionFinder(
                kernel: kernel, proxy: proxy, policy: policy, refusals: knowledge.refusals, explainer: explainer,
                networks: served,
            ),
            drafts: DraftTrial(
                kernel: kernel, policy: policy, inspection: inspection,
                agentGroup: { await link.spiffeID?.agentGroup }),
            activity: WorkloadActivity(
                kernel: kernel, proxy: proxy, handles: knowledge.handles, refusals: knowledge.refusals),
            status: {
                AgentSelfStatus(
                    spiffeID: await link.spiffeID?.description ?? "", version: policy.current.version,
                    controlPlane: follower.controlPlane, identities: policy.current.snapshot?.identities.count ?? 0,
                    svids: await credentials.svids.count, connections: proxy.connectionCount,
                    networks: await networks.all.count,
                    auditQueued: credentials.forwarder.backlog.queued,
                    auditLost: credentials.forwarder.backlog.lost,
                    kernel: KernelCounters(kernel.statistics()),
                )
            },
            logger: logger,
        )
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
struct Activity: Sendable {
    let name: String
    let body: @Sendable () async throws -> Void

    init(_ name: String, body: @escaping @Sendable () async throws -> Void) {
        self.name = name
        self.body = body
    }

    /// Writes what is new, again and again. What cannot be written now is written when it can be: a full disk ends no agent.
    static func writing(
        _ name: String, every pause: Duration, logger: Logger, _ write: @escaping @Sendable () async throws -> Void,
    ) -> Activity {
        Activity(name) {
            var isFailing = false
            while (try? await Task.sleep(for: pause)) != nil {
                do {
                    try await write()
                    isFailing = false
                } catch {
                    if !isFailing { logger.warning("\(name) cannot be written: \(error)") }
                    isFailing = true
                }
            }
            // Told to end: what is new until now.
            try? await write()
        }
    }

    func run(logger: Logger) async throws {
        do { try await body() } catch is CancellationError {
        } catch {
            logger.error("\(name) failed: \(error)")
            throw error
        }
    }
}
