import ControlPlaneAPI
import Synchronization

/// The newest committed endpoints, read once, as ``LatestContent`` holds manifests.
final class LatestEndpoints: Sendable {
    private let held = Mutex<(revision: Int64, endpoints: [Endpoint])?>(nil)

    /// - Returns: nil where another revision is held.
    func endpoints(at revision: Int64) -> [Endpoint]? {
        held.withLock { $0?.revision == revision ? $0?.endpoints : nil }
    }

    /// - Parameter revision: of a committed state.
    func hold(_ endpoints: [Endpoint], at revision: Int64) {
        held.withLock { held in
            if let newer = held?.revision, newer > revision { return }
            held = (revision, endpoints)
        }
    }
}
