package import Kernel
package import NIOCore
package import Proxy
package import SPIFFE
package import Workloads

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
    /// Reads the listeners anew, for a connection that is faster than the event of its listener.
    private let refresh: @Sendable () -> Void

    package init(policy: PolicyBoard, refresh: @escaping @Sendable () -> Void) {
        self.policy = policy
        self.refresh = refresh
    }

    package func outbound(workload: SPIFFEID, destination: SocketAddress) -> OutboundRoute? {
        InternetEndpoint(destination).flatMap { policy.current.outbound(workload: workload, destination: $0) }
    }

    package func inbound(destination: SocketAddress) -> InboundRoute? {
        guard let endpoint = InternetEndpoint(destination) else { return nil }
        if let route = policy.current.inbound(destination: endpoint) { return route }
        refresh()
        return policy.current.inbound(destination: endpoint)
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
