package import SPIFFE
package import Workloads

/// What keeps an agent, or one of its workloads, from having an identity.
package enum AgentError: Error, CustomStringConvertible {
    case joinTokenMissing(configured: String?)
    /// Whoever can read the token can become this agent.
    case joinTokenExposed(path: String, mode: String)
    case fileUnreadable(path: String, reason: String)
    case caFileInvalid(path: String)
    case credentialUnusable(reason: String)
    case identityUnknown(SPIFFEID)
    case svidUnavailable(SPIFFEID, reason: String)
    case notAttested(reason: String)
    case streamEnded
    case tokenUnavailable(resource: String, reason: String)
    case policyConflict(String)
    /// In whose share a network namespace is.
    case nobodyToCount(ProcessKey)

    package var description: String {
        switch self {
        case .joinTokenMissing(let path):
            "this agent has no SVID and no join token\(path.map { " (nothing at \($0))" } ?? ""); "
                + "run `tidemark join-token create --agent-group GROUP` on the control plane and put the token into joinTokenFile"
        case .joinTokenExposed(let path, let mode):
            "\(path) has mode \(mode): other users could have read the join token; create another one, and write it with mode 0600"
        case .fileUnreadable(let path, let reason):
            "\(path) cannot be read: \(reason)"
        case .caFileInvalid(let path):
            "\(path) holds no PEM certificate; copy bundle.pem from the control plane's data directory"
        case .credentialUnusable(let reason):
            "the credentials left by the agent before this one are not usable (\(reason)); a new join token is needed"
        case .identityUnknown(let id):
            "\(id) is not in this agent's policy; it was deleted, or belongs to another agent group"
        case .svidUnavailable(let id, let reason):
            "no SVID for \(id) yet: \(reason)"
        case .notAttested(let reason):
            "the agent itself is not attested yet: \(reason)"
        case .streamEnded:
            "the control plane ended the snapshot stream; the agent asks for a new one"
        case .tokenUnavailable(let resource, let reason):
            "no access token for \(resource): \(reason)"
        case .policyConflict(let text):
            "the snapshot cannot be enforced: \(text)"
        case .nobodyToCount(let process):
            "process \(process.pid), which needed it, has ended, so it is not known whose it is; another one there is seen when it dials"
        }
    }
}
