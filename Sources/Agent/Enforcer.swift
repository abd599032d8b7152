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
    private let proxy: LoopbackProxy
    private let logger: Logger

    package init(
        networks: ServedNamespaces, kernel: KernelSession, policy: PolicyBoard, handles: HandleTable,
        proxy: LoopbackProxy, logger: Logger,
    ) {
        self.networks = networks
        self.kernel = kernel
        self.policy = policy
        self.handles = handles
        self.proxy = proxy
        self.logger = logger
    }

    /// - Throws: when the kernel refuses; the policy before it is then still in force.
    package func enforce(_ snapshot: PolicySnapshot) async throws {
        let next = try EnforcedPolicy(snapshot)
        if next.program != policy.current.program || policy.current.snapshot == nil {
            try kernel.install(next.program, handles: handles.handles(for: next.program.slots.map(\.workloadID)))
        }
        policy.change { current in
            var next = next
            next.listening = current.listening
            current = next
        }
        try await redecideListeners()
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
    package func redecideListeners() async throws {
        let current = policy.current
        let namespaces = await networks.all
        var managed: [UInt64: [(socket: ListeningSocket, workload: SPIFFEID)]] = [:]
        for socket in try kernel.listeners() {
            let workloadID = kernel.facts(of: socket.process.pid)
                .flatMap { $0.key == socket.process ? current.matcher.match($0).workloadID : nil }
            let handle = workloadID.flatMap { handles.handles(for: [$0])[$0] } ?? .none
            if handle != socket.identity { try kernel.setListenerIdentity(socket, handle) }
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
