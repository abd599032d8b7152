import NIOCore
import SPIFFE

/// The books of one connection, whichever way it goes and whoever carries its bytes: what it is, who is at its ends, what the
/// journal is told of it, and what has to be cut where its right ends.
///
/// From the first look at it until its sockets are closed. Confined to the event loop of its channels.
final class CarriedConnection {
    let network: BoundNetwork
    let environment: ProxyEnvironment
    /// Whoever opened it: the local application, or the other host.
    let downstream: any Channel
    /// The one dialled for it; a later one takes its place.
    private(set) var upstream: (any Channel)?
    /// What all its journal entries have in common.
    private(set) var facts: JournalEntry
    private let entry: UInt64
    private var isEstablished = false
    /// Of policy, by which its plan was made.
    private let revision: UInt64

    /// Counts it among the live ones: from here on whoever changes policy finds it.
    ///
    /// - Parameters:
    ///   - channel: accepted; the connection's own.
    ///   - revision: of policy, by which its plan was made.
    init(
        _ channel: any Channel, _ description: LiveConnections.Entry, asOf revision: UInt64,
        in network: BoundNetwork, _ environment: ProxyEnvironment,
    ) {
        downstream = channel
        self.network = network
        self.environment = environment
        self.revision = revision
        facts = description.journal
        var description = description
        description.channels = [channel]
        entry = environment.live.insert(description)
    }

    /// Its life: what `work` sets up, until all sockets are closed; refused, told and cut where that fails.
    func live(isolation: isolated (any Actor)? = #isolation, _ work: () async throws -> Void) async {
        do {
            // Whoever changed what it rests on may have looked before it was among the live ones.
            try network.checkServed()
            try checkPolicy(changedSince: revision)
            if let opened = environment.live[entry]?.opened { try await environment.checkOpener(opened) }
            try await work()
        } catch {
            environment.record(facts, .refused(error))
            downstream.cut()
            upstream?.cut()
        }
        try? await downstream.closeFuture.get()
        try? await upstream?.closeFuture.get()
        close()
    }

    /// What is known of it now, for the journal.
    func note(_ change: (inout JournalEntry) -> Void) {
        change(&facts)
        environment.live.update(entry) { $0.journal = facts }
    }

    /// To be cut with it from here on.
    func dialled(_ channel: any Channel) {
        upstream = channel
        environment.live.update(entry) { $0.channels = [downstream, channel] }
    }

    /// Counts it as established, then asks policy again: it may have changed since the plan was made.
    ///
    /// - Parameters:
    ///   - peer: nil: plain text.
    ///   - revision: of policy, by which it was decided.
    /// - Throws: where it has no right any more; nothing is told of it then.
    func establish(_ peer: PeerIdentity?, because reason: String, asOf revision: UInt64) throws(ProxyError) {
        facts.peer = peer?.id
        facts.peerSVIDSerial = peer?.serial
        environment.live.update(entry) { entry in
            entry.peer = peer
            entry.isPlainText = peer == nil
            entry.journal = facts
        }
        try checkPolicy(changedSince: revision)
        // Its cut is told; nothing that was cut is allowed after that.
        guard let live = environment.live[entry], !live.isCut else { throw .clientGone }
        environment.record(facts, .allowed(because: reason))
        isEstablished = true
    }

    /// Its end is told where its beginning was; of one that was cut, that was told already.
    private func close() {
        guard let entry = environment.live.remove(entry), isEstablished, !entry.isCut else { return }
        var closed = facts
        closed.kind = .connectionClosed
        closed.passed = entry.passed
        environment.record(closed, .allowed(because: entry.end))
    }

    private func checkPolicy(changedSince revision: UInt64) throws(ProxyError) {
        let routes = environment.dependencies.routes
        if routes.revision != revision, let objection = environment.live[entry]?.objection(routes) { throw objection }
    }
}
