import CLibBPF
import Glibc
import KernelABI

/// What hands connections over to the proxy, in each network namespace that has it.
final class Steering: Sendable {
    static let program = "steer"

    private let networks: BPFMap<UInt64, UInt32>
    private let listeners: BPFMap<proxy_listener, UInt64>
    private let acceptedClients: BPFMap<CInt, endpoint>
    private let steer: SteeringProgram

    init(_ programs: KernelPrograms) throws(KernelError) {
        networks = try programs.host.map("networks")
        listeners = try programs.host.map("proxy_listeners")
        acceptedClients = try programs.host.map("accepted_clients")
        steer = programs.steering
    }

    /// Cookies of the network namespaces that are served, or were by a former agent.
    var served: Set<UInt64> { Set(networks.keys) }

    /// Listeners first, the word that a connection may come last: in between connections are refused.
    func begin(
        in network: NetworkNamespace, listeners: ProxyListeners, attachment: Attachment,
    ) throws(KernelError) {
        // What they accept is known by it: see ``KernelSession/destroyUnprotected(at:in:)``.
        for case let listener? in [listeners.inbound4, listeners.inbound6] {
            try acceptedClients.set(endpoint(), for: listener)
        }
        for case (let kind, let listener?) in listeners.byKind {
            try self.listeners.set(
                UInt64(listener),
                for: proxy_listener(netns_cookie: network.cookie, kind: kind.rawValue, reserved: 0),
            )
        }
        let instance = try steer.instance(for: network.cookie)
        defer { withExtendedLifetime(instance) {} }
        try attachment.attach(Hook(program: Self.program, place: .network(network)), program: instance.number)
        try networks.set(1, for: network.cookie)
    }

    /// The word that a connection may come. What steers stays for as long as the namespace does: nobody reaches a managed
    /// listener past a proxy that is gone.
    func end(in cookie: UInt64) throws(KernelError) { try networks.remove(cookie) }

    func forgetEnded(_ attachment: Attachment) throws(KernelError) {
        for cookie in attachment.removeEnded(Self.program) { try networks.remove(cookie) }
    }
}

/// Descriptors of the proxy's listening sockets in one network namespace. Until they are given to the kernel part, and
/// after they close, connections are dropped.
package struct ProxyListeners: Sendable, Equatable {
    package var outbound4: CInt?
    package var outbound6: CInt?
    package var inbound4: CInt?
    package var inbound6: CInt?

    package init(outbound4: CInt?, outbound6: CInt?, inbound4: CInt?, inbound6: CInt?) {
        self.outbound4 = outbound4
        self.outbound6 = outbound6
        self.inbound4 = inbound4
        self.inbound6 = inbound6
    }

    fileprivate var byKind: [(proxy_listener_kind, CInt?)] {
        [
            (PROXY_OUTBOUND_IPV4, outbound4), (PROXY_OUTBOUND_IPV6, outbound6),
            (PROXY_INBOUND_IPV4, inbound4), (PROXY_INBOUND_IPV6, inbound6),
        ]
    }
}
