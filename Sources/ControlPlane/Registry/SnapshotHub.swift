import Limits
package import SPIFFE
import ServiceLifecycle

/// Wakes the snapshot streams: at once after a change, and for heartbeats.
///
/// A waking carries nothing. Each stream looks by itself what there is to send, so any number of changes between two
/// looks is one snapshot.
package actor SnapshotHub: Service {
    private struct Stream {
        let agent: SPIFFEID
        let wake: AsyncStream<Void>.Continuation
    }

    private var streams: [Int: Stream] = [:]
    /// In the order they were opened.
    private var ofAgent: [SPIFFEID: [Int]] = [:]
    private var opened = 0
    private let heartbeat: Duration
    private let clock = ContinuousClock()
    /// Not before: however much changes, all streams together are woken so often and no oftener.
    private var nextWaking = ContinuousClock.now
    private var isWakingPlanned = false
    /// When agents that are away closed their last stream; of those that have had none, when this server started.
    private var left: [SPIFFEID: ContinuousClock.Instant] = [:]
    private let started: ContinuousClock.Instant
    private let uptime: @Sendable () -> ContinuousClock.Instant

    /// - Parameters:
    ///   - heartbeat: the longest silence on a stream.
    ///   - uptime: by which it is told how long an agent is away.
    package init(
        heartbeat: Duration = Limits.Stream.heartbeat,
        uptime: @escaping @Sendable () -> ContinuousClock.Instant = { .now },
    ) {
        self.heartbeat = heartbeat
        self.uptime = uptime
        started = uptime()
    }

    /// Agents that hold a stream now.
    package var connected: Set<SPIFFEID> { Set(ofAgent.keys) }

    /// - Returns: who is connected, or was so long ago at most.
    package func present(within absence: Duration) -> Presence {
        let now = uptime()
        return Presence(
            connected: connected.union(left.filter { now - $0.value <= absence }.keys),
            isYoung: now - started <= absence)
    }

    /// Which agents are there, or have not been away for long.
    package struct Presence: Sendable {
        fileprivate let connected: Set<SPIFFEID>
        /// Nobody can have been away for so long as far as this server knows.
        fileprivate let isYoung: Bool

        package func contains(_ agent: String) -> Bool { isYoung || connected.contains { "\($0)" == agent } }
    }

    /// When one stream has to look whether there is something to send.
    package struct Wakings: Sendable {
        /// The first one comes at once.
        package let sequence: AsyncStream<Void>
        /// Ends the sequence, which takes the agent off the list of the connected.
        package let end: @Sendable () -> Void
        /// The agent's oldest stream ended for this one.
        package let hasEndedOlder: Bool
    }

    /// A stream of this agent begins. It may have a few, as when a connection broke and neither end knows yet: the newest stay.
    package func open(for agent: SPIFFEID) -> Wakings {
        let (wakings, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        opened += 1
        let number = opened
        streams[number] = Stream(agent: agent, wake: wake)
        let numbers = ofAgent[agent, default: []] + [number]
        let older = numbers.dropLast(Limits.Stream.ofAgent)
        for number in older { streams.removeValue(forKey: number)?.wake.finish() }
        ofAgent[agent] = Array(numbers.dropFirst(older.count))
        wake.onTermination = { [weak self] _ in
            Task { await self?.forget(number) }
        }
        wake.yield()
        return Wakings(sequence: wakings, end: { wake.finish() }, hasEndedOlder: !older.isEmpty)
    }

    /// Something changed: the first time at once, then with all that changes meanwhile.
    package func wakeAll() {
        let now = clock.now
        guard now < nextWaking else { return wake(at: now) }
        guard !isWakingPlanned else { return }
        isWakingPlanned = true
        Task { [clock, nextWaking] in
            try? await clock.sleep(until: nextWaking)
            wake(at: clock.now)
        }
    }

    private func wake(at now: ContinuousClock.Instant) {
        isWakingPlanned = false
        nextWaking = now + Limits.Updates.ofFleet
        for stream in streams.values { stream.wake.yield() }
    }

    /// Ends every stream when the service is told to shut down, as an open response would hold the listener up.
    package func run() async throws {
        await withGracefulShutdownHandler {
            while true {
                do { try await cancelWhenGracefulShutdown { try await Task.sleep(for: self.heartbeat) } } catch {
                    break
                }
                wakeAll()
            }
            endAll()
        } onGracefulShutdown: {
            Task { await self.endAll() }
        }
    }

    private func endAll() {
        for stream in streams.values { stream.wake.finish() }
    }

    private func forget(_ number: Int) {
        guard let agent = streams.removeValue(forKey: number)?.agent else { return }
        ofAgent[agent]?.removeAll { $0 == number }
        guard ofAgent[agent]?.isEmpty == true else { return }
        ofAgent[agent] = nil
        let now = uptime()
        left = left.filter { now - $0.value <= Limits.Endpoints.absence }
        left[agent] = now
    }
}
