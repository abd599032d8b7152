package import Kernel
import Limits
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
    private let standings: Standings
    /// How long a connection is held while it is found out whose it is.
    private let patience: Duration

    package init(
        kernel: KernelSession, policy: PolicyBoard, handles: HandleTable, attestor: Attestor,
        standings: Standings, patience: Duration = Limits.Wait.identity,
    ) {
        self.kernel = kernel
        self.policy = policy
        self.handles = handles
        self.attestor = attestor
        self.standings = standings
        self.patience = patience
    }

    package func flow(ofAccepted descriptor: CInt) async -> AcceptedFlow {
        guard let flow = kernel.flow(ofAccepted: descriptor), let destination = try? SocketAddress(flow.destination)
        else {
            return .refused(process: nil, reason: "not redirected by the kernel")
        }
        do {
            guard let workloadID = try await workloadID(of: flow) else {
                // Fail closed: it takes itself for protected.
                if flow.wasManaged, policy.current.isManagedPlace(flow.destination, from: flow.network) {
                    throw FlowError.disowned
                }
                return .plain(process: flow.process, destination: destination)
            }
            guard let workload = policy.current.spiffeID(at: workloadID) else {
                throw FlowError.formerPolicy
            }
            return .workload(
                OutboundFlow(
                    opener: flow.opener, workload: workload, template: policy.current.template(of: workload),
                    destination: destination,
                    placeIsKnown: flow.placeIsKnown))
        } catch {
            return .refused(process: flow.process, reason: "\(error)")
        }
    }

    package func user(ofAccepted descriptor: CInt) -> UInt32? {
        kernel.flow(ofAccepted: descriptor)?.processCredentials.realUserID
    }

    /// - Returns: nil for a process that has no identity after all.
    private func workloadID(of flow: KernelFlow) async throws -> SPIFFEPath? {
        if flow.identity == .undecided { return try await match(flow) }
        switch handles.workloadID(of: flow.identity) {
        case nil: throw FlowError.formerPolicy
        case .fixed(let path)?: return path
        case .template(let template)?: return try template.expand(try await attest(flow).facts)
        }
    }

    private func match(_ flow: KernelFlow) async throws -> SPIFFEPath? {
        switch try await attest(flow).match {
        case .workload(let workloadID, _): workloadID
        case .nameless(let template, let reason, _): throw FlowError.nameless(template: template, reason: reason)
        case .unmanaged: nil
        }
    }

    private func attest(_ flow: KernelFlow) async throws -> Attested {
        try await attestor.attest(flow.image, as: flow.credentials, within: patience)
    }

    /// Cheap where the process has neither executed anything since nor changed its ids, and no other policy has come.
    package func objection(to opened: OpenedConnection) async -> String? {
        guard let occasion = occasion(since: opened.opener) else { return nil }
        return await standings.objection(to: opened, on: occasion)
    }

    /// Why it has to be asked again who the process is: what happened before the connection was among the live ones.
    private func occasion(since opener: Opener) -> Occasion? {
        if kernel.generation.number != opener.generation { return .policy }
        guard kernel.isRunning(ProcessImage(process: opener.process, number: opener.image)) else { return .executed }
        return kernel.ids(of: opener.process) == opener.ids ? nil : .otherCredentials
    }

    package func prepareUpstream(descriptor: CInt, client: SocketAddress, for workload: SPIFFEID?) throws {
        guard let endpoint = InternetEndpoint(client) else { return }
        try kernel.prepareUpstream(fd: descriptor, client: endpoint, for: handle(of: workload))
    }

    /// `.none`: of any workload. The kernel part knows those of a template by the template or by what it was made to.
    private func handle(of workload: SPIFFEID?) -> IdentityHandle {
        guard let workload, case let workloadID? = policy.current.identity(of: workload)?.workloadID,
            workloadID.template == nil
        else { return .none }
        return handles.handles(for: [workloadID])[workloadID] ?? .none
    }
}

/// Why a redirected connection has no identity to go with.
enum FlowError: Error, CustomStringConvertible {
    case formerPolicy
    case disowned
    case nameless(template: WorkloadName, reason: String)
    case tooLate(Duration)

    var description: String {
        switch self {
        case .formerPolicy: "decided by a policy that is no longer in force; connect again"
        case .disowned: "\(KernelRefusal.Reason.disowned)"
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
    private let listeners: RecentListeners

    package init(kernel: KernelSession, policy: PolicyBoard, handles: HandleTable) {
        self.kernel = kernel
        self.policy = policy
        self.handles = handles
        listeners = RecentListeners { kernel.listeners() }
    }

    package var revision: UInt64 { policy.revision }

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

    package func inbound(draining workload: SPIFFEID, destination: SocketAddress, network: UInt64) -> InboundRoute? {
        guard let endpoint = InternetEndpoint(destination) else { return nil }
        let current = policy.current
        guard !current.isTaken(endpoint, network: network) else { return nil }
        return current.inbound(destination: endpoint, workload: workload)
    }

    /// A connection can be faster than the event of its listener: then the kernel's own table knows.
    private func newListener(
        at destination: InternetEndpoint, network: UInt64, _ current: EnforcedPolicy,
    ) -> SPIFFEID? {
        let sockets = listeners.sockets(atFirstOf: [destination] + destination.wildcards, network: network)
        let workloads = Set(sockets.map { workloadID(of: $0).flatMap(current.spiffeID(at:)) })
        // Of several at one place all have to be the same workload's.
        return workloads.count == 1 ? workloads.first ?? nil : nil
    }

    /// - Returns: nil where it cannot be told at once, and the connection is refused: the next one finds it decided.
    private func workloadID(of socket: ListeningSocket) -> SPIFFEPath? {
        switch handles.workloadID(of: socket.identity) {
        case nil: return nil
        case .fixed(let path)?: return path
        case .template(let template)?:
            guard let record = kernel.record(of: socket.process.pid), record.image == socket.image else { return nil }
            return try? template.expand(record.facts.running(as: socket.credentials))
        }
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
        switch address {
        case .v4(let socket): self.init(socket.address)
        case .v6(let socket): self.init(socket.address)
        case .unixDomainSocket: return nil
        }
    }
}

extension InternetEndpoint {
    /// The wildcard listeners a connection for this address can belong to; a dual-stack one takes IPv4 as well.
    var wildcards: [InternetEndpoint] {
        let families: [InternetAddress] = address.isIPv4 ? [.wildcardIPv4, .wildcardIPv6] : [.wildcardIPv6]
        return families.map { InternetEndpoint(address: $0, port: port) }
    }
}

extension KernelFlow {
    fileprivate var opener: Opener {
        Opener(process: process, image: image.number, generation: generation.number, ids: processCredentials)
    }
}
