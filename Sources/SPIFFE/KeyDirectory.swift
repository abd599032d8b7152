package import Crypto
package import Foundation

/// A directory of private keys that its owner alone can read: mode 0700, files 0600.
///
/// Opening refuses looser modes instead of mending them: someone may have read the keys already.
package struct KeyDirectory: Sendable {
    package let url: URL

    /// Creates the directory where there is none.
    package init(opening url: URL) throws(KeyDirectoryError) {
        self.url = url
        let files = FileManager.default
        if !files.fileExists(atPath: url.path) {
            do {
                try files.createDirectory(
                    at: url, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700],
                )
            } catch { throw .unwritable(path: url.path, reason: "\(error)") }
        }
        try Self.checkMode(of: url.path, remedy: "0700")
    }

    /// - Returns: the file's text; nil where there is no such file.
    package func read(_ name: String) throws(KeyDirectoryError) -> String? {
        let path = url.appending(path: name).path
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        try Self.checkMode(of: path, remedy: "0600")
        do { return try String(contentsOfFile: path, encoding: .utf8) } catch {
            throw .unreadable(path: path, reason: "\(error)")
        }
    }

    /// Writes a file as a whole: a crash leaves the old one, or none, never a part.
    package func write(_ text: String, to name: String) throws(KeyDirectoryError) {
        let target = url.appending(path: name)
        let draft = url.appending(path: ".\(name).\(UUID().uuidString)")
        do {
            guard
                FileManager.default.createFile(
                    atPath: draft.path, contents: nil, attributes: [.posixPermissions: 0o600],
                )
            else { throw CocoaError(.fileWriteUnknown) }
            // Only now, with its mode set, does the file receive anything secret.
            try Self.checkMode(of: draft.path, remedy: "0600")
            let file = try FileHandle(forWritingTo: draft)
            try file.write(contentsOf: Data(text.utf8))
            try file.synchronize()
            try file.close()
            // Not replaceItemAt, which wants a file to replace.
            guard rename(draft.path, target.path) == 0 else { throw CocoaError(.fileWriteUnknown) }
        } catch {
            try? FileManager.default.removeItem(at: draft)
            throw .unwritable(path: target.path, reason: "\(error)")
        }
    }

    /// The P-256 key in `name`, PEM; created where there is none.
    package func signingKey(_ name: String) throws(KeyDirectoryError) -> P256.Signing.PrivateKey {
        guard let pem = try read(name) else {
            let key = P256.Signing.PrivateKey()
            try write(key.pemRepresentation + "\n", to: name)
            return key
        }
        do { return try P256.Signing.PrivateKey(pemRepresentation: pem) } catch {
            throw .notAKey(path: url.appending(path: name).path)
        }
    }

    private static func checkMode(of path: String, remedy: String) throws(KeyDirectoryError) {
        let found: Int?
        do {
            found = (try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber)?.intValue
        } catch { throw .unreadable(path: path, reason: "\(error)") }
        // An unknown mode counts as open to all.
        let mode = found ?? 0o777
        guard mode & 0o077 == 0 else {
            throw .permissions(path: path, mode: String(mode, radix: 8), wanted: remedy)
        }
    }
}

/// Why keys on disk can not be used. Never holds a key.
package enum KeyDirectoryError: Error, Equatable, CustomStringConvertible {
    case permissions(path: String, mode: String, wanted: String)
    case unreadable(path: String, reason: String)
    case unwritable(path: String, reason: String)
    case notAKey(path: String)

    package var description: String {
        switch self {
        case .permissions(let path, let mode, let wanted):
            """
            \(path) has mode \(mode), others can reach the keys; if nobody did, run chmod \(wanted) \(path), \
            otherwise replace them
            """
        case .unreadable(let path, let reason):
            "\(path) can not be read (\(reason)); does it belong to the user this program runs as?"
        case .unwritable(let path, let reason):
            "\(path) can not be written (\(reason)); is the disk full, or the directory another user's?"
        case .notAKey(let path):
            "\(path) holds no P-256 key in PEM; restore it from a backup"
        }
    }
}
