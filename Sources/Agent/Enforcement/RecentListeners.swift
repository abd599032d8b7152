import Kernel
import Limits
import Synchronization

/// The kernel's table of listeners as it was a moment ago, by place. Reading it costs what it holds, and connections ask whenever they
/// please: so that it takes a small part of the time whatever is asked, an answer stands for many times as long as it took.
final class RecentListeners: Sendable {
    struct Place: Hashable {
        let network: UInt64
        let endpoint: InternetEndpoint
    }

    private struct State {
        var places: [Place: [ListeningSocket]] = [:]
        var validUntil: ContinuousClock.Instant?
    }

    private let state = Mutex(State())
    private let read: @Sendable () -> [ListeningSocket]
    private let now: @Sendable () -> ContinuousClock.Instant

    init(
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now },
        reading read: @escaping @Sendable () -> [ListeningSocket],
    ) {
        self.now = now
        self.read = read
    }

    /// The sockets at the first of these places where there are any.
    func sockets(atFirstOf endpoints: [InternetEndpoint], network: UInt64) -> [ListeningSocket] {
        state.withLock { state in
            if !(state.validUntil.map { now() < $0 } ?? false) { refresh(&state) }
            for endpoint in endpoints {
                if let sockets = state.places[Place(network: network, endpoint: endpoint)] { return sockets }
            }
            return []
        }
    }

    private func refresh(_ state: inout State) {
        let start = now()
        state.places = Dictionary(grouping: read()) { Place(network: $0.network, endpoint: $0.endpoint) }
        let end = now()
        state.validUntil = end + (end - start) * Limits.Updates.listenersReadOneIn
    }
}
