package import Kernel
package import NIOCore
package import Proxy
package import SPIFFE
import Workloads

/// The proxy's view of the kernel: whose connection this is, and how an inbound one reaches its application.
package struct KernelFlows: FlowSource {
    private let kernel: KernelSession
    private let policy: PolicyBoard
    private let handles: HandleTable

    package init(kernel: KernelSession, policy: PolicyBoard, handles: HandleTable) {
        self.kernel = kernel
        self.policy = policy
        self.handles = handles
    }

    package func flow(ofAccepted descriptor: CInt) -> OutboundFlow? {
        guard let flow = kernel.flow(ofAccepted: descriptor),
            let workloadID = handles.workloadID(of: flow.identity),
            let workload = policy.current.spiffeID(forWorkloadID: workloadID),
            let destination = try? SocketAddress(flow.destination)
        else { return nil }
        return OutboundFlow(process: flow.process, workload: workload, destination: destination)
    }

    package func prepareUpstream(descriptor: CInt, client: SocketAddress) throws {
        guard let endpoint = InternetEndpoint(client) else { return }
        try kernel.prepareUpstream(fd: descriptor, client: endpoint)
    }
}

/// The proxy's view of the policy.
package struct AgentRoutes: RoutePolicy {
    private let policy: PolicyBoard
    private let kernel: KernelSession
    private let handles: HandleTable

    package init(kernel: KernelSession, policy: PolicyBoard, handles: HandleTable) {
        self.kernel = kernel
        self.policy = policy
        self.handles = handles
    }

    package func outbound(workload: SPIFFEID, destination: SocketAddress, network: UInt64) -> OutboundRoute {
        InternetEndpoint(destination).flatMap {
            policy.current.outbound(workload: workload, destination: $0, network: network)
        }
            // The workload is no longer this host's: whoever the peer is, it may not be spoken to.
            ?? OutboundRoute(
                expected: nil,
                peers: PeerPolicy(trustDomain: workload.trustDomain, allowed: [], withdrawn: [workload]),
                resources: [],
            )
    }

    package func inbound(destination: SocketAddress, network: UInt64) -> InboundRoute? {
        guard let endpoint = InternetEndpoint(destination) else { return nil }
        let current = policy.current
        guard
            let workload = current.listener(at: endpoint, network: network)
                ?? newListener(at: endpoint, network: network, current)
        else { return nil }
        return current.inbound(destination: endpoint, workload: workload)
    }

    /// A connection can be faster than the event of its listener: then the kernel's own table knows.
    private func newListener(
        at destination: InternetEndpoint, network: UInt64, _ current: EnforcedPolicy,
    ) -> SPIFFEID? {
        let candidates = [destination] + destination.wildcards
        let sockets = ((try? kernel.listeners()) ?? []).filter { $0.network == network }
        return candidates.lazy
            .compactMap { candidate in sockets.first { $0.endpoint == candidate } }
            .compactMap { self.handles.workloadID(of: $0.identity).flatMap(current.spiffeID(forWorkloadID:)) }
            .first
    }
}

extension SocketAddress {
    init(_ endpoint: InternetEndpoint) throws {
        try self.init(ipAddress: endpoint.address.description, port: Int(endpoint.port))
    }
}

extension InternetEndpoint {
    /// nil for a Unix socket's address.
    package init?(_ address: SocketAddress) {
        guard let text = address.ipAddress, let port = address.port, let port = UInt16(exactly: port),
            let internet = InternetAddress(text)
        else { return nil }
        self.init(address: internet, port: port)
    }
}

extension InternetEndpoint {
    /// The wildcard listeners a connection for this address can belong to; a dual-stack one takes IPv4 as well.
    var wildcards: [InternetEndpoint] {
        let families: [InternetAddress] = address.isIPv4 ? [.wildcardIPv4, .wildcardIPv6] : [.wildcardIPv6]
        return families.map { InternetEndpoint(address: $0, port: port) }
    }
}
