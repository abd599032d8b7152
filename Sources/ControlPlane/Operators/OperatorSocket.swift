import Foundation

/// The file of the operator's socket: its mode is the only credential an operator has.
struct OperatorSocket: Sendable {
    let path: String
    /// nil: the owner alone, 0600; else 0660.
    let group: String?

    /// Makes the directory and sees to it that the socket is born closed to others.
    ///
    /// - Throws: ``ConfigurationError`` where the socket could not be given to the group: better no server than one that its
    ///   operators cannot reach.
    func prepare() throws {
        if let group, !Self.canGive(to: getgrnam(group)?.pointee.gr_gid, user: geteuid(), groups: Self.ownGroups) {
            throw ConfigurationError.value(key: "socketGroup", found: group, expected: Self.expectedGroup)
        }
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

    /// chown(2): root gives a file to any group, others to those they are in.
    ///
    /// - Parameter group: nil: there is none of that name.
    static func canGive(to group: gid_t?, user: uid_t, groups: Set<gid_t>) -> Bool {
        guard let group else { return false }
        return user == 0 || groups.contains(group)
    }

    private static var ownGroups: Set<gid_t> {
        var groups = [gid_t](repeating: 0, count: Int(max(getgroups(0, nil), 0)))
        let count = getgroups(CInt(groups.count), &groups)
        return Set(groups.prefix(Int(max(count, 0)))).union([getegid()])
    }

    private static let expectedGroup =
        "a group that the server's user is in; under the installed unit that is \"tidemark\" alone: add operators to it with "
        + "usermod -aG tidemark NAME"
}
