import KernelABI
package import Workloads

/// A socket of a process in scope that listens. What is decided about it belongs to it, and to nothing else at its address.
package struct ListeningSocket: Sendable, Equatable {
    /// No other socket has it, for as long as the machine is up.
    package let cookie: UInt64
    package let endpoint: InternetEndpoint
    /// Cookie of the network namespace.
    package let network: UInt64
    /// What called listen(). The process may have executed another program since.
    package let image: ProcessImage
    /// As of listen().
    package let credentials: ProcessIDs
    /// `.none`: its connections reach it directly.
    package let identity: IdentityHandle
    /// An IPv6 wildcard that does not serve IPv4.
    package let servesIPv6Only: Bool
    /// Older than the kernel part: `image` and `credentials` are those of whoever held it first, as they were found.
    package let foundRunning: Bool

    package var process: ProcessKey { image.process }

    package init(
        cookie: UInt64, endpoint: InternetEndpoint, network: UInt64, image: ProcessImage, credentials: ProcessIDs,
        identity: IdentityHandle, servesIPv6Only: Bool = false, foundRunning: Bool = false,
    ) {
        self.cookie = cookie
        self.endpoint = endpoint
        self.network = network
        self.image = image
        self.credentials = credentials
        self.identity = identity
        self.servesIPv6Only = servesIPv6Only
        self.foundRunning = foundRunning
    }

    /// nil for one that has ended, or of which the kernel is choosing the port.
    init?(cookie: UInt64, _ listener: listener) {
        guard listener.state >> 32 == cookie & 0xffff_ffff, listener.place.endpoint.port != 0 else { return nil }
        self.init(
            cookie: cookie,
            endpoint: InternetEndpoint(listener.place.endpoint),
            network: listener.place.netns_cookie,
            image: ProcessImage(process: ProcessKey(listener.process), number: listener.process.image),
            credentials: ProcessIDs(listener.ids),
            identity: IdentityHandle(rawValue: UInt32(truncatingIfNeeded: listener.state)),
            servesIPv6Only: listener.place.ipv6_only != 0,
            foundRunning: listener.flags & UInt32(LISTENER_FOUND_RUNNING) != 0,
        )
    }

    /// Whether connections to this address can be for it.
    package func serves(_ address: InternetAddress) -> Bool {
        guard endpoint.address.isWildcard else { return endpoint.address == address }
        return endpoint.address.isIPv4 ? address.isIPv4 : !(servesIPv6Only && address.isIPv4)
    }
}
