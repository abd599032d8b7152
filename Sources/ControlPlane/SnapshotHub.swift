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
    private var opened = 0
    private let heartbeat: Duration

    /// - Parameter heartbeat: the longest silence on a stream.
    package init(heartbeat: Duration = .seconds(5)) {
        self.heartbeat = heartbeat
    }

    package var connected: Set<SPIFFEID> { Set(streams.values.map(\.agent)) }

    package struct Wakings: Sendable {
        /// The first one comes at once.
        package let sequence: AsyncStream<Void>
        /// Ends the sequence, which takes the agent off the list of the connected.
        package let end: @Sendable () -> Void
    }

    package func open(for agent: SPIFFEID) -> Wakings {
        let (wakings, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        opened += 1
        let number = opened
        streams[number] = Stream(agent: agent, wake: wake)
        wake.onTermination = { [weak self] _ in
            Task { await self?.forget(number) }
        }
        wake.yield()
        return Wakings(sequence: wakings, end: { wake.finish() })
    }

    package func wakeAll() {
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
        streams[number] = nil
    }
}
