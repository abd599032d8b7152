import Handshake
import NIOCore

/// What every connection shares.
struct ProxyEnvironment: Sendable {
    let dependencies: ProxyDependencies
    /// Where an application is dialled, given the address its clients use: there, as the kernel part sees to it.
    /// Without the kernel part the proxy's own listener is at that address, so tests say another.
    let applicationAddress: @Sendable (SocketAddress) -> SocketAddress
    let tls = TLSContexts()
    let verifications = ChainVerifications()
    let live = LiveConnections()
    let slots: ConnectionSlots

    init(
        dependencies: ProxyDependencies,
        applicationAddress: @escaping @Sendable (SocketAddress) -> SocketAddress,
    ) {
        self.dependencies = dependencies
        self.applicationAddress = applicationAddress
        slots = ConnectionSlots(capacity: dependencies.limits.maximumConnections)
    }

    var limits: ProxyLimits { dependencies.limits }

    /// - Throws: where the process is not any more who opened this.
    func checkOpener(_ opened: OpenedConnection) async throws {
        if let reason = await dependencies.flows.objection(to: opened) { throw ProxyError.openerChanged(reason) }
    }

    func record(_ entry: JournalEntry, _ decision: JournalEntry.Decision) {
        var entry = entry
        entry.decision = decision
        dependencies.journal.record(entry)
    }
}
