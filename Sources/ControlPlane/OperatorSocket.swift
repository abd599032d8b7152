import Foundation

/// The file of the operator's socket: its mode is the only credential an operator has.
struct OperatorSocket: Sendable {
    let path: String
    /// nil: the owner alone, 0600; else 0660.
    let group: String?

    /// Makes the directory and sees to it that the socket is born closed to others.
    func prepare() throws {
        let directory = URL(filePath: path).deletingLastPathComponent()
        if !FileManager.default.fileExists(atPath: directory.path) {
            try FileManager.default.createDirectory(
                at: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        }
        umask(0o077)
    }

    func open() throws {
        var attributes: [FileAttributeKey: Any] = [.posixPermissions: group == nil ? 0o600 : 0o660]
        if let group { attributes[.groupOwnerAccountName] = group }
        try FileManager.default.setAttributes(attributes, ofItemAtPath: path)
    }
}
