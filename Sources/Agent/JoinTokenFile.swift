import Glibc
import Kernel

/// The file an operator puts a join token into: a credential, so nobody else may read it.
package enum JoinTokenFile {
    /// - Throws: ``AgentError/joinTokenExposed(path:mode:)`` where users other than the owner, or any group but the
    ///   owner's own of root, can read or write it.
    package static func check(_ path: String) throws(AgentError) {
        guard let status = FileStatus(path: path) else {
            throw .fileUnreadable(path: path, reason: String(cString: strerror(errno)))
        }
        let mode = status.mode & 0o777
        // Fail closed: it may have been read already.
        let shown = mode & 0o007 != 0 || (mode & 0o070 != 0 && status.group != 0)
        guard !shown else { throw .joinTokenExposed(path: path, mode: "0" + String(mode, radix: 8)) }
    }
}
