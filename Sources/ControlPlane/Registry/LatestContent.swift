import Synchronization

/// The newest committed manifests, decoded once.
///
/// Held under the revision that the database itself raises with each change of a manifest (see ``StoreSchema``): a transaction
/// reads its own revision and is given what is held only where that is the same one. So a reader of an older state, or a
/// transaction that has itself changed something, is never served it.
final class LatestContent: Sendable {
    private let held = Mutex<(revision: Int64, content: RegistryContent)?>(nil)

    /// - Returns: nil where another revision is held.
    func content(at revision: Int64) -> RegistryContent? {
        held.withLock { $0?.revision == revision ? $0?.content : nil }
    }

    /// - Parameter revision: of a committed state. One that was rolled back comes again with other manifests.
    func hold(_ content: RegistryContent, at revision: Int64) {
        held.withLock { held in
            if let newer = held?.revision, newer > revision { return }
            held = (revision, content)
        }
    }
}
