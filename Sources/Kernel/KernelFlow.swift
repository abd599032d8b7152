import KernelABI
package import Workloads

/// What the kernel recorded of a connection it sent to the proxy.
package struct KernelFlow: Sendable, Equatable {
    package let process: ProcessKey
    package let identity: IdentityHandle
    /// Where the process wanted to go.
    package let destination: InternetEndpoint

    /// nil for a record that is not of a redirected connection, accepted by the proxy.
    init?(_ flow: flow) {
        let wanted = UInt32(FLOW_REDIRECTED | FLOW_ACCEPTED)
        guard flow.flags & wanted == wanted else { return nil }
        process = ProcessKey(flow.process)
        identity = IdentityHandle(rawValue: flow.identity)
        destination = InternetEndpoint(flow.destination)
    }
}

/// A listening socket of a process in scope.
package struct ListeningSocket: Sendable, Equatable {
    package let endpoint: InternetEndpoint
    package let process: ProcessKey
    /// `.none`: its connections reach it directly.
    package let identity: IdentityHandle
    /// An IPv6 wildcard that does not serve IPv4.
    package let servesIPv6Only: Bool

    init(_ endpoint: endpoint, _ listener: listener) {
        self.endpoint = InternetEndpoint(endpoint)
        process = ProcessKey(listener.process)
        identity = IdentityHandle(rawValue: listener.identity)
        servesIPv6Only = listener.flags & UInt32(LISTENER_V6ONLY) != 0
    }
}
