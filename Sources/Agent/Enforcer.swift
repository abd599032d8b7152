package import ControlPlaneAPI
import Foundation
package import Kernel
package import Logging
import NIOCore
package import Proxy
import SPIFFE
import Workloads

/// Makes a snapshot true on this host: kernel maps, listeners, routes, live connections. All of it or nothing.
package actor Enforcer {
    private let networks: ServedNamespaces
    private let kernel: KernelSession
    private let policy: PolicyBoard
    private let handles: HandleTable
    private let attestor: Attestor
    private let proxy: LoopbackProxy
    private let logger: Logger
    private let listenersChanged: @Sendable () -> Void
    /// Why listeners are reached by nobody; said once each.
    private var refusedListeners: [ProcessKey: String] = [:]

    /// How long a policy, or a change of listeners, waits until it is known who listens.
    private static let patience = Duration.seconds(2)

    /// - Parameter listenersChanged: called when a listener can be decided that could not in time.
    package init(
        networks: ServedNamespaces, kernel: KernelSession, policy: PolicyBoard, handles: HandleTable,
        attestor: Attestor, proxy: LoopbackProxy, logger: Logger, listenersChanged: @escaping @Sendable () -> Void,
    ) {
        self.attestor = attestor
        self.listenersChanged = listenersChanged
        self.networks = networks
        self.kernel = kernel
        self.policy = policy
        self.handles = handles
        self.proxy = proxy
        self.logger = logger
    }

    /// - Throws: when the kernel refuses; the policy before it is then still in force.
    ///
    /// - Parameter patience: how long to wait until it is known who listens; whoever is not known then is reached by
    ///   nobody until it is.
    package func enforce(_ snapshot: PolicySnapshot, patience: Duration = patience) async throws {
        let next = try EnforcedPolicy(snapshot, after: policy.current)
        if next.program != policy.current.program || policy.current.snapshot == nil {
            try await attestor.install(
                next.matcher, handles: handles.handles(for: next.program.slots.map(\.workloadID)))
        }
        policy.change { current in
            var next = next
            next.listening = current.listening
            current = next
        }
        try await redecideListeners(patience: patience)
        let cut = await proxy.reevaluate()
        logger.info(
            "policy enforced",
            metadata: [
                "version": "\(snapshot.version)", "identities": "\(snapshot.identities.count)",
                "connections_cut": "\(cut)",
            ],
        )
    }

    /// Who listens may have changed, or what that means: reads the kernel's table and decides each listener again.
    package func redecideListeners(patience: Duration = patience) async throws {
        while true {
            let version = policy.current.version
            let processes = Set(try kernel.listeners().map(\.process))
            let decisions = await ListenerDecisions.of(
                processes, by: attestor, within: patience, decided: listenersChanged)
            try await serveNamespaces(of: decisions)
            let namespaces = await networks.all
            // By a policy that is no longer in force: once more.
            guard version == policy.current.version else { continue }
            return try apply(decisions, in: namespaces)
        }
    }

    /// A process that only listens is seen by its listener alone, and a new policy may make it a workload.
    private func serveNamespaces(of decisions: ListenerDecisions) async throws {
        for socket in try kernel.listeners() {
            guard case .workload = decisions.outcome(for: socket) else { continue }
            await networks.needed(by: socket.process)
        }
    }

    private func apply(_ decisions: ListenerDecisions, in namespaces: [NetworkNamespace]) throws {
        let current = policy.current
        var managed: [UInt64: [(socket: ListeningSocket, workload: SPIFFEID)]] = [:]
        for socket in try kernel.listeners() {
            let workloadID = try settle(socket, decisions.outcome(for: socket), current)
            if let workload = workloadID.flatMap(current.spiffeID(forWorkloadID:)) {
                managed[socket.network, default: []].append((socket, workload))
            }
        }
        var listening: [UInt64: ListeningWorkloads] = [:]
        for namespace in namespaces {
            listening[namespace.cookie] = ListeningWorkloads(
                managed[namespace.cookie] ?? [], addresses: try Self.addresses(of: namespace))
        }
        policy.change { $0.listening = listening }
        try kernel.setDestinations(policy.current.destinations, in: policy.current.localDestinations)
    }

    /// - Returns: the workload that listens there, where there is one.
    private func settle(
        _ socket: ListeningSocket, _ outcome: ListenerDecisions.Outcome, _ current: EnforcedPolicy,
    ) throws -> String? {
        let (handle, workloadID) = decision(on: socket, outcome, current)
        if handle != socket.identity {
            // One that closed meanwhile needs no identity.
            do throws(KernelError) { try kernel.setListenerIdentity(socket, handle) } catch .unknownListener {
                return nil
            }
        }
        switch outcome {
        case .refused(let reason): note(socket, reason)
        case .orphaned where handle == .undecided:
            note(socket, "the process that listened has ended, and it is not known what it was; restart the program")
        default: refusedListeners[socket.process] = nil
        }
        return workloadID
    }

    private func decision(
        on socket: ListeningSocket, _ outcome: ListenerDecisions.Outcome, _ current: EnforcedPolicy,
    ) -> (IdentityHandle, workloadID: String?) {
        switch outcome {
        case .workload(let workloadID):
            return (handles.handles(for: [workloadID])[workloadID] ?? .undecided, workloadID)
        case .unmanaged: return (.none, nil)
        case .refused: return (.undecided, nil)
        case .unchanged: return (socket.identity, nil)
        case .pending, .orphaned:
            if socket.identity == .none, outcome == .orphaned { return (.none, nil) }
            let former = handles.workloadID(of: socket.identity)
            if let former, current.knows(former) { return (socket.identity, former) }
            // Fail closed: it may be managed, and nobody can say as whom. Whose identity was deleted is unmanaged.
            return (outcome == .orphaned && former != nil ? .none : .undecided, nil)
        }
    }

    private func note(_ socket: ListeningSocket, _ reason: String) {
        guard refusedListeners.updateValue(reason, forKey: socket.process) != reason else { return }
        logger.warning(
            "listener is reached by nobody: \(reason)",
            metadata: ["listener": "\(socket.endpoint)", "pid": "\(socket.process.pid)"],
        )
    }

    /// Listeners older than the kernel part close unseen.
    package func forgetClosedListeners() async {
        for namespace in await networks.all {
            do { _ = try kernel.forgetClosedListeners(in: namespace) } catch {
                logger.warning("listeners that closed are not known: \(error)")
            }
        }
        refusedListeners = refusedListeners.filter { kernel.isAlive($0.key) }
    }

    /// A process runs by other credentials: what it opened as somebody it is no longer is cut.
    func reconsider(_ process: ProcessKey, formerly handle: IdentityHandle) async {
        let workloadID = await attestor.decide(process)?.workloadID
        let workload = workloadID.flatMap(policy.current.spiffeID(forWorkloadID:))
        proxy.cutOutbound(of: process, unless: workload, because: "the process changed its uid or gid")
        if let workloadID,
            handles.workloadID(of: handle).flatMap({ try? WorkloadIDTemplate($0) })?.covers(workloadID) == true
        {
            return
        }
        do { try kernel.destroySockets(of: [handle], openedBy: process, in: await networks.all) } catch {
            logger.warning("connections of a process that changed its credentials are not cut: \(error)")
        }
    }

    /// Takes former policies out of the kernel, after the new one has been acknowledged.
    package nonisolated func sweep() {
        do { try kernel.sweepPolicies() } catch { logger.warning("former policies stay in the kernel: \(error)") }
    }

    /// What other hosts may dial: without loopback and link-local addresses.
    package var reported: [Endpoint] {
        policy.current.listening.values.flatMap(\.reachable)
            .filter { $0.key.hasOneMeaning }
            .map { Endpoint(address: $0.key.address.description, port: $0.key.port, workload: $0.value) }
            .sorted { ($0.address, $0.port) < ($1.address, $1.port) }
    }

    private static func addresses(of namespace: NetworkNamespace) throws -> Set<InternetAddress> {
        try namespace.run { ownAddresses() }
    }

    private static func ownAddresses() -> Set<InternetAddress> {
        let devices = (try? System.enumerateDevices()) ?? []
        return Set(devices.compactMap { $0.address?.ipAddress.flatMap(InternetAddress.init) })
    }
}

extension ListeningWorkloads {
    fileprivate init(_ managed: [(socket: ListeningSocket, workload: SPIFFEID)], addresses: Set<InternetAddress>) {
        self.init()
        bound = Dictionary(managed.map { ($0.socket.endpoint, $0.workload) }) { first, _ in first }
        for (socket, workload) in managed where socket.endpoint.address.isWildcard {
            for address in addresses where socket.serves(address) {
                reachable[InternetEndpoint(address: address, port: socket.endpoint.port)] = workload
            }
        }
        // An exact listener beats a wildcard on the same port.
        for (socket, workload) in managed where !socket.endpoint.address.isWildcard {
            reachable[socket.endpoint] = workload
        }
    }
}

extension ListeningSocket {
    /// Whether a wildcard socket takes connections for this address.
    fileprivate func serves(_ address: InternetAddress) -> Bool {
        endpoint.address.isIPv4 ? address.isIPv4 : !(servesIPv6Only && address.isIPv4)
    }
}
