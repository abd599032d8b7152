import NIOCore

/// What every connection shares.
struct ProxyEnvironment: Sendable {
    let dependencies: ProxyDependencies
    /// Where an application is dialled, given the address its clients use: there, as the kernel part sees to it.
    /// Without the kernel part the proxy's own listener is at that address, so tests say another.
    let applicationAddress: @Sendable (SocketAddress) -> SocketAddress
    let tls = TLSContexts()
    let live = LiveConnections()

    var limits: ProxyLimits { dependencies.limits }

    func record(_ entry: JournalEntry, allowed: Bool, _ reason: String) {
        var entry = entry
        entry.allowed = allowed
        entry.reason = reason
        dependencies.journal.record(entry)
    }
}
