import Kernel
import Limits

/// The file an operator puts a join token into: a credential, so nobody else may read it.
package enum JoinTokenFile {
    /// What is looked at and what is read is one file, whatever becomes of its name meanwhile. A symbolic link is refused: once the token is
    /// spent its name is removed, and the secret would stay.
    ///
    /// - Throws: ``AgentError/joinTokenExposed(path:mode:)`` where users other than the owner, or any group but the
    ///   owner's own of root, can read or write it.
    package static func read(_ path: String) throws(AgentError) -> String {
        do {
            let file = try OpenFile(path: path, followingLinks: false)
            let status = try file.status()
            let mode = status.mode & 0o777
            // Fail closed: it may have been read already.
            let shown = mode & 0o007 != 0 || (mode & 0o070 != 0 && status.group != 0)
            guard !shown else { throw AgentError.joinTokenExposed(path: path, mode: "0" + String(mode, radix: 8)) }
            return String(decoding: try file.read(upTo: Limits.Request.body, at: 0), as: UTF8.self)
        } catch let error as AgentError {
            throw error
        } catch { throw .fileUnreadable(path: path, reason: "\(error)") }
    }
}
