package import ControlPlaneAPI
import Foundation

/// The last good snapshot on disk, so that a host enforces before, and without, the control plane. Holds no secret.
package struct SnapshotFile: Sendable {
    private let url: URL

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

    package func save(_ snapshot: PolicySnapshot) throws {
        try WireCoding.encoder().encode(snapshot).write(to: url, options: .atomic)
    }
}
