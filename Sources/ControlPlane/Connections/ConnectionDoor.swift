import Foundation
import Glibc
import Limits
import Logging
import NIOCore
import SPIFFE
import Synchronization

/// Who is let in at one listener, and who has to go for it: ``SlotShares``, with the connections that it names.
///
/// Those that have proven nothing hold a tenth of the slots together, workloads half of the others; agents always find a place, as
/// no holder gets more than is left for the others, and who comes from where one proved itself lately goes before strangers.
final class ConnectionDoor: Sendable {
    /// Where a stranger comes from.
    struct Source: SlotSource {
        /// An IPv4 address, or the first 64 bits of an IPv6 one: who has one has 2^64.
        let bytes: [UInt8]

        /// nil: no IP address, which is one source for all.
        init(_ address: SocketAddress?) {
            switch address {
            case .v4(let address): bytes = withUnsafeBytes(of: address.address.sin_addr) { Array($0) }
            case .v6(let address):
                let all = withUnsafeBytes(of: address.address.sin6_addr) { Array($0) }
                let isMapped = all.prefix(10).allSatisfy { $0 == 0 } && all[10] == 0xff && all[11] == 0xff
                bytes = Array(isMapped ? all.suffix(4) : all.prefix(8))
            default: bytes = []
            }
        }

        /// A /24, or a /48.
        var network: [UInt8] { bytes.count == 4 ? Array(bytes.prefix(3)) : Array(bytes.prefix(6)) }
    }

    /// Who holds proven connections.
    enum Holder: Hashable, Sendable {
        case agent(SPIFFEID)
        /// Workloads speak through their host's agent: what they hold is their host's.
        case workloads(of: Source)
        /// Whoever may open the operator's socket.
        case operators

        /// The listener is the agents' first: they bring SVIDs and policy, also to those workloads.
        var isGuest: Bool {
            if case .workloads = self { true } else { false }
        }
    }

    typealias Ticket = SlotShares<Source, Holder>.Ticket

    private struct State {
        var shares: SlotShares<Source, Holder>
        var cutters: [Ticket: @Sendable () -> Void] = [:]
    }

    private let state: Mutex<State>
    private let logger: Logger
    /// Of log lines: strangers can make us close connections as fast as they open them.
    private let lines = RefusalBudget(perMinute: Limits.Log.closedPerMinute)
    /// Of certificates that do not verify, which anybody can make.
    private let certificates = RefusalBudget(perMinute: Limits.Log.refusedPerMinute)
    /// Of the log.
    private let now: @Sendable () -> Date

    init(capacity: Int, logger: Logger, now: @escaping @Sendable () -> Date = { Date() }) {
        state = Mutex(State(shares: SlotShares(capacity: capacity, isGuest: \.isGuest)))
        self.logger = logger
        self.now = now
    }

    /// - Parameter cut: closes the connection at once; called at most once, on any thread.
    func admit(
        strangerFrom source: Source, cut: @escaping @Sendable () -> Void,
    ) throws(SlotRefusal) -> Ticket {
        try admit(cut) { $0.admit(strangerFrom: source, at: .now) }
    }

    func admit(_ holder: Holder, cut: @escaping @Sendable () -> Void) throws(SlotRefusal) -> Ticket {
        try admit(cut) { $0.admit(holder) }
    }

    private func admit(
        _ cut: @escaping @Sendable () -> Void,
        _ ask: @Sendable (inout SlotShares<Source, Holder>) -> SlotShares<Source, Holder>.Admission,
    ) throws(SlotRefusal) -> Ticket {
        let (admission, evicted) =
            state.withLock { state in
                let admission = ask(&state.shares)
                guard case .admitted(let ticket, let closing) = admission else { return (admission, nil) }
                state.cutters[ticket] = cut
                return (admission, closing.flatMap { state.cutters.removeValue(forKey: $0) })
            } as (SlotShares<Source, Holder>.Admission, (@Sendable () -> Void)?)
        if let evicted {
            evicted()
            tell("a connection that had proven nothing was closed to make room for another")
        }
        switch admission {
        case .admitted(let ticket, _): return ticket
        case .refused(let refusal):
            tell("a connection was refused: \(refusal)")
            throw refusal
        }
    }

    func heard(_ ticket: Ticket) { state.withLock { $0.shares.heard(ticket) } }

    /// - Returns: why the holder may not have another connection.
    func vouch(_ ticket: Ticket, for holder: Holder) -> SlotRefusal? {
        let refusal = state.withLock { $0.shares.vouch(ticket, for: holder, isKnownHence: false, at: .now) }
        if let refusal { tell("a connection of \(holder) was refused: \(refusal)") }
        return refusal
    }

    /// Whoever holds this connection is an agent, and that by the SVID issued last: where it comes from goes before others. A chain that
    /// verifies says neither, and a workload's SVID is in many programs' reach.
    func recognize(_ ticket: Ticket) { state.withLock { $0.shares.recognize(ticket, at: .now) } }

    func isKnown(_ source: Source) -> Bool { state.withLock { $0.shares.isKnown(source, at: .now) } }

    func release(_ ticket: Ticket) {
        state.withLock { state in
            state.shares.release(ticket, at: .now)
            state.cutters[ticket] = nil
        }
    }

    var count: Int { state.withLock { $0.shares.count } }
    var countOfStrangers: Int { state.withLock { $0.shares.countOfStrangers } }

    private func tell(_ message: String) {
        guard let metadata = lines.line(at: now()) else { return }
        logger.warning("\(message)", metadata: metadata)
    }

    func tell(refusedCertificate error: SVIDError) {
        guard let metadata = certificates.line(at: now()) else { return }
        let text = "\(error)".cut(toJSONBytes: Limits.Log.refusalBytes)
        logger.info("a client certificate was refused: \(text)", metadata: metadata)
    }
}
