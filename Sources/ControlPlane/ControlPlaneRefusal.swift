package import ControlPlaneAPI
package import SPIFFE

/// Why the control plane does not do what it was asked to.
package enum ControlPlaneRefusal: Error, Sendable, CustomStringConvertible {
    case joinTokenUnknown
    case joinTokenUsed
    case joinTokenExpired
    case agentName(String, reason: String)
    case agentGroup(String, reason: String)
    case lifetime(Int, allowed: ClosedRange<Int>)
    /// No client certificate came with a call that needs one.
    case certificateMissing
    /// A valid SVID, of someone who is no agent here, or no longer.
    case notAnAgent(SPIFFEID)
    /// It was one, and is none any more.
    case agentEvicted(SPIFFEID, reason: String)
    case noSuchAgent(SPIFFEID)
    case notInGroup(String)
    /// What is issued now could not be told from what was withdrawn.
    case withdrawnLately(SPIFFEID, wait: Duration)
    /// More than its share; seconds.
    case tooMuch(SPIFFEID, retryAfter: Int)
    /// As many IDs as templates may give at one time: to one agent group, or to all.
    case tooManyIDs(group: String, own: Int, bound: Bound)
    case signingRequest(String)
    case manifest([String])
    case noSuchManifest(kind: String, name: String)
    case noSuchRoute(String)
    case body(String)
    case bodyTooLarge(maximum: Int)
    case parameter(String, value: String, expected: String)
    /// The disk, or the space given to the database, is used up.
    case storageFull
    /// The database cannot be read or written.
    case storage(String)
    case issuing(String)
    case unforeseen(String)

    package var description: String { problem.message }

    package var problem: Problem {
        Problem(error: code, message: message, findings: findings, retryAfter: retryAfter)
    }

    /// HTTP status.
    package var status: Int {
        switch self {
        case .agentName, .agentGroup, .lifetime, .signingRequest, .body, .parameter, .manifest: 400
        case .certificateMissing: 401
        case .joinTokenUnknown, .joinTokenUsed, .joinTokenExpired, .notAnAgent, .agentEvicted, .notInGroup: 403
        case .noSuchManifest, .noSuchAgent, .noSuchRoute: 404
        case .bodyTooLarge: 413
        case .tooMuch, .tooManyIDs: 429
        case .unforeseen, .issuing: 500
        case .storage, .withdrawnLately: 503
        case .storageFull: 507
        }
    }

    /// Seconds.
    package var retryAfter: Int? {
        switch self {
        case .tooMuch(_, let seconds): seconds
        case .withdrawnLately(_, let wait): Int(wait.components.seconds)
        default: nil
        }
    }

    private var findings: [String]? {
        if case .manifest(let findings) = self { findings } else { nil }
    }
}

extension ControlPlaneRefusal {
    /// `Problem.error`; documented in docs/cli.md, so never changed.
    package var code: String {
        switch self {
        case .joinTokenUnknown: "join_token_unknown"
        case .joinTokenUsed: "join_token_used"
        case .joinTokenExpired: "join_token_expired"
        case .agentName: "agent_name_invalid"
        case .agentGroup: "agent_group_invalid"
        case .lifetime: "lifetime_invalid"
        case .certificateMissing: "client_certificate_missing"
        case .notAnAgent: "not_an_agent"
        case .agentEvicted: "agent_evicted"
        case .noSuchAgent: "agent_not_found"
        case .notInGroup: "not_in_group"
        case .withdrawnLately: "withdrawn_lately"
        case .tooMuch: "too_much"
        case .tooManyIDs: "too_many_ids"
        case .signingRequest: "signing_request_invalid"
        case .manifest: "manifest_invalid"
        case .noSuchManifest: "manifest_not_found"
        case .noSuchRoute: "route_not_found"
        case .body: "body_invalid"
        case .bodyTooLarge: "body_too_large"
        case .parameter: "parameter_invalid"
        case .storageFull: "storage_full"
        case .storage: "storage_failed"
        case .issuing: "issuing_failed"
        case .unforeseen: "server_error"
        }
    }

    private var message: String {
        switch self {
        case .joinTokenUnknown: "this join token is not known here; create one with `tidemark join-token create`"
        case .joinTokenUsed:
            "this join token was used before, and each works once; create another with `tidemark join-token create`"
        case .joinTokenExpired: "this join token has run out; create another with `tidemark join-token create`"
        case .agentName(let name, let reason): "\"\(name)\" cannot name an agent: \(reason)"
        case .agentGroup(let group, let reason): "\"\(group)\" cannot name an agent group: \(reason)"
        case .lifetime(let seconds, let allowed):
            "a lifetime of \(seconds) seconds is not possible; ask for \(allowed.lowerBound) to \(allowed.upperBound)"
        case .certificateMissing: "this call needs a client certificate; attest first and present the SVID"
        case .notAnAgent(let id): "\(id) is no agent of this control plane, or not any more; attest with a join token"
        case .agentEvicted(let id, let reason):
            "\(id) is no agent any more: \(reason); find out who has its credentials, then attest with a new join token"
        case .noSuchAgent(let id): "there is no agent \(id), or it is not banned; `tidemark status` lists them"
        case .notInGroup(let reason): reason
        case .withdrawnLately(let id, let wait):
            "SVIDs of \(id) were withdrawn a moment ago, by a clock that is \(wait) ahead; ask again then"
        case .tooMuch(let id, let seconds):
            "\(id) sends more than an agent may; send again in \(seconds) seconds, or find out what makes it do so"
        case .tooManyIDs(let group, let own, let bound):
            "agent group \(group) has \(own) IDs of templates whose SVIDs may be valid, and \(bound.text("Identities")); find out which template's programs make so many on which host (`tidemark audit --type svid.issued`), or wait until the SVIDs have run out"
        case .signingRequest(let reason): "the signing request was refused: \(reason)"
        case .manifest(let findings):
            "nothing of the file was applied; correct what is found and apply again (findings: \(findings.count))"
        case .noSuchManifest(let kind, let name):
            "there is no \(kind) named \"\(name)\"; `tidemark get` lists what there is"
        case .noSuchRoute(let path):
            "\(path) is nothing this server answers to with this method; docs/cli.md lists what is"
        case .body(let reason): "the body cannot be read: \(reason)"
        case .bodyTooLarge(let maximum): "the body is larger than \(maximum) bytes; send less at a time"
        case .parameter(let name, let value, let expected):
            "parameter \(name)=\(value) is invalid; expected \(expected)"
        case .storageFull: "the server's disk is full and nothing was changed; free space on it and try again"
        case .storage(let reason):
            "the server's database failed and nothing was changed: \(reason); see the server's log"
        case .issuing(let reason): "the certificate could not be issued: \(reason); see the server's log"
        case .unforeseen(let reason): "the server failed: \(reason); see its log"
        }
    }
}
