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
    private let attestor: Attestor
    /// How long a connection is held while it is found out whose it is.
    private let patience: Duration

    package init(
        kernel: KernelSession, policy: PolicyBoard, handles: HandleTable, attestor: Attestor,
        patience: Duration = .seconds(5),
    ) {
        self.kernel = kernel
        self.policy = policy
        self.handles = handles
        self.attestor = attestor
        self.patience = patience
    }

    package func flow(ofAccepted descriptor: CInt) async -> AcceptedFlow {
        guard let flow = kernel.flow(ofAccepted: descriptor), let destination = try? SocketAddress(flow.destination)
        else {
            return .refused(process: nil, reason: "not redirected by the kernel")
        }
        do {
            guard let workloadID = try await workloadID(of: flow) else {
                return .plain(process: flow.process, destination: destination)
            }
            guard let workload = policy.current.spiffeID(forWorkloadID: workloadID) else {
                throw FlowError.formerPolicy
            }
            return .workload(OutboundFlow(process: flow.process, workload: workload, destination: destination))
        } catch {
            return .refused(process: flow.process, reason: "\(error)")
        }
    }

    /// - Returns: nil for a process that has no identity after all.
    private func workloadID(of flow: KernelFlow) async throws -> String? {
        if flow.identity == .undecided { return try await match(flow) }
        guard let text = handles.workloadID(of: flow.identity) else { throw FlowError.formerPolicy }
        let template = try WorkloadIDTemplate(text)
        return template.isTemplate ? try template.expand(try await attest(flow).facts) : text
    }

    private func match(_ flow: KernelFlow) async throws -> String? {
        switch try await attest(flow).match {
        case .workload(let workloadID, _): workloadID
        case .nameless(let template, let reason, _): throw FlowError.nameless(template: template, reason: reason)
        case .unmanaged: nil
        }
    }

    private func attest(_ flow: KernelFlow) async throws -> Attested {
        let attestor = attestor
        let task = Task { try await attestor.attest(flow.image, as: flow.credentials) }
        return try await FirstAnswer.of(task, within: patience) { FlowError.tooLate($0) }
    }

    package func prepareUpstream(descriptor: CInt, client: SocketAddress) throws {
        guard let endpoint = InternetEndpoint(client) else { return }
        try kernel.prepareUpstream(fd: descriptor, client: endpoint)
    }
}

/// Why a redirected connection has no identity to go with.
enum FlowError: Error, CustomStringConvertible {
    case formerPolicy
    case nameless(template: String, reason: String)
    case tooLate(Duration)

    var description: String {
        switch self {
        case .formerPolicy: "decided by a policy that is no longer in force; connect again"
        case .nameless(let template, let reason): "no identity can be made of \(template): \(reason)"
        case .tooLate(let patience):
            "it was not known within \(patience) which identity the process has; connect again"
        }
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
            .compactMap { self.workloadID(of: $0).flatMap(current.spiffeID(forWorkloadID:)) }
            .first
    }

    /// - Returns: nil where it cannot be told at once, and the connection is refused: the next one finds it decided.
    private func workloadID(of socket: ListeningSocket) -> String? {
        guard let text = handles.workloadID(of: socket.identity), let template = try? WorkloadIDTemplate(text) else {
            return nil
        }
        guard template.isTemplate else { return text }
        let facts = kernel.facts(of: socket.process.pid).flatMap { $0.key == socket.process ? $0 : nil }
        return facts.flatMap { try? template.expand($0.running(as: socket.credentials)) }
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
