package import ControlPlaneAPI
import Foundation
import Limits
import Synchronization
import Workloads

/// The last good snapshot on disk, so that a host enforces before, and without, the control plane. Holds no secret.
package final class SnapshotFile: Sendable {
    private let url: URL
    private let text = Mutex(SnapshotText())
    private let pending = Mutex(Pending())

    /// A snapshot that waits to be written.
    private struct Pending {
        var snapshot: PolicySnapshot?
        var last = ContinuousClock.now - Limits.Updates.ofSnapshotFile
    }

    package init(directory: String) throws {
        let folder = URL(filePath: directory, directoryHint: .isDirectory)
        try FileManager.default.createDirectory(
            at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700],
        )
        url = folder.appending(path: "snapshot.json")
    }

    /// - Returns: nil where there is none.
    package func load() throws -> PolicySnapshot? {
        guard FileManager.default.fileExists(atPath: url.path) else { return nil }
        return try WireCoding.decoder().decode(PolicySnapshot.self, from: Data(contentsOf: url))
    }

    /// At once, and whole or not at all.
    package func save(_ snapshot: PolicySnapshot) throws {
        try text.withLock { text in
            pending.withLock { $0.snapshot = nil }
            try text.encode(snapshot).write(to: url, options: .atomic)
        }
    }

    /// Where only endpoints are others, which change often: at once, or with the next ones.
    package func saveLater(_ snapshot: PolicySnapshot) throws {
        let now = ContinuousClock.now
        let isDue = pending.withLock { pending in
            guard now - pending.last >= Limits.Updates.ofSnapshotFile else {
                pending.snapshot = snapshot
                return false
            }
            pending.last = now
            return true
        }
        if isDue { try save(snapshot) }
    }

    /// Writes what waits.
    package func flush() throws {
        guard let snapshot = pending.withLock({ $0.snapshot }) else { return }
        do { try save(snapshot) } catch {
            pending.withLock { if $0.snapshot == nil { $0.snapshot = snapshot } }
            throw error
        }
    }
}

/// Encodes one snapshot after another, of the identities only those that were not in the one before.
private struct SnapshotText {
    private var known: [String: (identity: WorkloadIdentity, json: Data)] = [:]

    /// Byte for byte what encoding the whole snapshot gives.
    mutating func encode(_ snapshot: PolicySnapshot) throws -> Data {
        let list = try encode(snapshot.identities)
        var rest = snapshot
        rest.identities = []
        var text = try WireCoding.encoder().encode(rest)
        // Nowhere else: in a text these quotation marks would be escaped.
        guard let place = text.range(of: Data(#""identities":[]"#.utf8)) else {
            return try WireCoding.encoder().encode(snapshot)
        }
        text.replaceSubrange(place, with: Data(#""identities":["#.utf8) + list + Data("]".utf8))
        return text
    }

    private mutating func encode(_ identities: [WorkloadIdentity]) throws -> Data {
        let encoder = WireCoding.encoder()
        let former = known
        known.removeAll(keepingCapacity: true)
        var list = Data()
        for identity in identities {
            let former = former[identity.name]
            let json = former?.identity == identity ? former?.json : nil
            let text = try json ?? encoder.encode(identity)
            known[identity.name] = (identity, text)
            if !list.isEmpty { list.append(UInt8(ascii: ",")) }
            list.append(text)
        }
        return list
    }
}
