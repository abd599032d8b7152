import Limits
import NIOCore
import SPIFFE
import Synchronization

/// Who holds the proxy's connections: strangers' sources, verified peers, local workloads and processes without identity.
///
/// Shares as ``SlotShares`` has them. A stranger that has to go is cut. Names that are cheap are paid for by who can make them: IDs of
/// a template by the user who runs what has them, peers by where they come from.
final class ConnectionSlots: Sendable {
    /// Where a connection comes from: an IPv4 address, or the first 64 bits of an IPv6 one, and whose network it means that in.
    struct Source: SlotSource {
        let bytes: [UInt8]
        let origin: NetworkOrigin

        init(bytes: [UInt8], in origin: NetworkOrigin = .host) {
            self.bytes = bytes
            self.origin = origin
        }

        /// A /24, or a /48. Where those inside choose the addresses they call from all are one.
        var network: Source {
            Source(bytes: origin == .host ? Array(bytes.prefix(bytes.count == 4 ? 3 : 6)) : [], in: origin)
        }

        /// Who pays for what has proven itself from there.
        var payer: Source { origin == .host ? self : network }
    }

    /// To whom a connection is accounted.
    enum Holder: Hashable, Sendable {
        /// A verified peer of an incoming connection.
        case peer(SPIFFEID)
        /// Peers of one source, see ``Source/payer``.
        case peers(from: Source)
        /// Clients of one that a PERMISSIVE listener let by.
        case clients(from: Source?)
        /// Whose process opened an outgoing one.
        case workload(SPIFFEID)
        /// What a user made of one template.
        case workloads(ofTemplate: String, user: UInt32?)
        /// A user's processes without identity, in whatever network namespaces: he makes those.
        case nobody(user: UInt32?)
        /// Those of which it is not known yet who they are.
        case undecided(user: UInt32?)

        var isGuest: Bool {
            if case .clients = self { true } else { false }
        }
    }

    private struct State {
        var shares: SlotShares<Source, Holder>
        /// Those that have not been vouched for, which may have to go.
        var strangers: [SlotShares<Source, Holder>.Ticket: Connection] = [:]
        /// By network; never zero.
        var networks: [UInt64: Int] = [:]
    }

    /// One connection's place, from accept to close.
    final class Connection: Sendable {
        fileprivate let network: UInt64
        /// nil for outgoing ones.
        let source: Source?
        /// The real uid of who opened an outgoing one; nil where nobody knows.
        let user: UInt32?
        private let slots: ConnectionSlots
        /// Changed with the slots' lock held alone.
        fileprivate let ticket: Mutex<SlotShares<Source, Holder>.Ticket>
        private let cutting = Mutex((isEvicted: false, channel: (any Channel)?.none))

        fileprivate init(
            _ ticket: SlotShares<Source, Holder>.Ticket, _ network: UInt64, _ source: Source?, _ user: UInt32?,
            _ slots: ConnectionSlots,
        ) {
            self.ticket = Mutex(ticket)
            self.source = source
            self.user = user
            self.network = network
            self.slots = slots
        }

        /// Names the channel to cut should this one have to go; cuts it at once where that is so already.
        func attach(_ channel: any Channel) {
            let isEvicted = cutting.withLock { cutting in
                cutting.channel = channel
                return cutting.isEvicted
            }
            if isEvicted { channel.eventLoop.execute { channel.cut() } }
        }

        /// A stranger has sent something.
        func heard() { slots.heard(self) }

        /// It is known who this is.
        ///
        /// - Parameter template: of which its ID was made.
        /// - Throws: why that one may not hold another.
        func vouch(for holder: Holder, madeOf template: String? = nil) throws(SlotRefusal) {
            let payer: Holder? =
                switch (holder, source) {
                case (.peer, let source?): .peers(from: source.payer)
                case (.workload, _): template.map { .workloads(ofTemplate: $0, user: user) }
                default: nil
                }
            try slots.vouch(self, for: holder, paidBy: payer)
        }

        func release() { slots.release(self) }

        fileprivate func evict() {
            let channel = cutting.withLock { cutting in
                cutting.isEvicted = true
                return cutting.channel
            }
            if let channel { channel.eventLoop.execute { channel.cut() } }
        }
    }

    private let state: Mutex<State>

    init(capacity: Int) {
        state = Mutex(State(shares: SlotShares(capacity: capacity, isGuest: \.isGuest)))
    }

    var count: Int { state.withLock { $0.networks.values.reduce(0, +) } }

    func count(in network: UInt64) -> Int { state.withLock { $0.networks[network] ?? 0 } }

    /// Counts an incoming connection in, in the place of another stranger's where that has to go.
    func admit(strangerFrom source: Source, in network: UInt64) throws(SlotRefusal) -> Connection {
        try admit(in: network, from: source) { $0.admit(strangerFrom: source, at: .now) }
    }

    /// Counts an outgoing connection in, of which it is not known yet whose it is, but the user.
    func admitOutbound(in network: UInt64, of user: UInt32?) throws(SlotRefusal) -> Connection {
        try admit(in: network, from: nil, of: user) { $0.admit(.undecided(user: user)) }
    }

    private func admit(
        in network: UInt64, from source: Source?, of user: UInt32? = nil,
        _ ask: (inout SlotShares<Source, Holder>) -> SlotShares<Source, Holder>.Admission,
    ) throws(SlotRefusal) -> Connection {
        let admitted: Result<(Connection, Connection?), SlotRefusal> = state.withLock { state in
            switch ask(&state.shares) {
            case .refused(let refusal): return .failure(refusal)
            case .admitted(let ticket, let evicted):
                let connection = Connection(ticket, network, source, user, self)
                state.networks[network, default: 0] += 1
                let doomed = evicted.flatMap { state.strangers.removeValue(forKey: $0) }
                state.strangers[ticket] = connection
                return .success((connection, doomed))
            }
        }
        let (connection, doomed) = try admitted.get()
        doomed?.evict()
        return connection
    }

    private func heard(_ connection: Connection) {
        state.withLock { state in state.shares.heard(connection.ticket.withLock { $0 }) }
    }

    private func vouch(
        _ connection: Connection, for holder: Holder, paidBy payer: Holder?,
    ) throws(SlotRefusal) {
        let refusal: SlotRefusal? = state.withLock { state in
            let ticket = connection.ticket.withLock { $0 }
            guard state.strangers.removeValue(forKey: ticket) != nil else { return .gone }
            let isPeer = if case .peer = holder { true } else { false }
            let refusal = state.shares.vouch(ticket, for: holder, paidBy: payer, isKnownHence: isPeer, at: .now)
            if refusal == nil { return nil }
            // No stranger: undecided until now. Where its owner has no place for it, it has none at all.
            state.shares.release(ticket, at: .now)
            switch state.shares.admit(holder, paidBy: payer) {
            case .admitted(let next, _):
                connection.ticket.withLock { $0 = next }
                return nil
            case .refused(let refusal): return refusal
            }
        }
        if let refusal { throw refusal }
    }

    private func release(_ connection: Connection) {
        state.withLock { state in
            let ticket = connection.ticket.withLock { $0 }
            state.shares.release(ticket, at: .now)
            state.strangers[ticket] = nil
            let left = (state.networks[connection.network] ?? 0) - 1
            state.networks[connection.network] = left > 0 ? left : nil
        }
    }

    /// Of an accepted socket's peer; nil where it is gone.
    static func source(of descriptor: CInt, in origin: NetworkOrigin) -> Source? {
        SocketName.peer(of: descriptor).map { Source(bytes: Array($0.address.prefix(8)), in: origin) }
    }
}
