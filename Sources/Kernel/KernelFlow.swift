import KernelABI
package import Workloads

/// What the kernel recorded of a connection it sent to the proxy.
package struct KernelFlow: Sendable, Equatable {
    /// Who called connect(). The process may have executed another program since.
    package let image: ProcessImage
    package let identity: IdentityHandle
    /// Where the process wanted to go.
    package let destination: InternetEndpoint
    /// As of connect().
    package let credentials: ProcessIDs
    /// Cookie of the network namespace.
    package let network: UInt64

    package var process: ProcessKey { image.process }

    /// nil for a record that is not of a redirected connection, accepted by the proxy.
    init?(_ flow: flow) {
        let wanted = UInt32(FLOW_REDIRECTED | FLOW_ACCEPTED)
        guard flow.flags & wanted == wanted else { return nil }
        image = ProcessImage(process: ProcessKey(flow.process), number: flow.process.image)
        identity = IdentityHandle(rawValue: flow.identity)
        destination = InternetEndpoint(flow.destination)
        credentials = ProcessIDs(flow.ids)
        network = flow.netns_cookie
    }
}

/// Numbers a process runs by at one moment, in the initial user namespace.
package struct ProcessIDs: Sendable, Equatable {
    package var effectiveUserID: UInt32
    package var realUserID: UInt32
    package var effectiveGroupID: UInt32
    package var realGroupID: UInt32

    package init(
        effectiveUserID: UInt32, realUserID: UInt32, effectiveGroupID: UInt32, realGroupID: UInt32,
    ) {
        self.effectiveUserID = effectiveUserID
        self.realUserID = realUserID
        self.effectiveGroupID = effectiveGroupID
        self.realGroupID = realGroupID
    }

    init(_ ids: ids) {
        effectiveUserID = ids.euid
        realUserID = ids.uid
        effectiveGroupID = ids.egid
        realGroupID = ids.gid
    }
}

/// A listening socket of a process in scope.
package struct ListeningSocket: Sendable, Equatable {
    package let endpoint: InternetEndpoint
    /// Cookie of the network namespace.
    package let network: UInt64
    package let process: ProcessKey
    /// `.none`: its connections reach it directly.
    package let identity: IdentityHandle
    /// An IPv6 wildcard that does not serve IPv4.
    package let servesIPv6Only: Bool
    /// Older than the kernel part, which does not see it close: see ``KernelSession/forgetClosedListeners(in:)``.
    package let foundRunning: Bool
    /// As of listen().
    package let credentials: ProcessIDs

    init(_ place: place, _ listener: listener) {
        endpoint = InternetEndpoint(place.endpoint)
        network = place.netns_cookie
        foundRunning = listener.flags & UInt32(LISTENER_FOUND_RUNNING) != 0
        credentials = ProcessIDs(listener.ids)
        process = ProcessKey(listener.process)
        identity = IdentityHandle(rawValue: listener.identity)
        servesIPv6Only = listener.flags & UInt32(LISTENER_V6ONLY) != 0
    }
}
