/// Why a connection, or a request, is refused: one word, the same in the audit, in metrics and, of requests, in the answer. What exactly
/// is in the text beside it. docs/cli.md has them all.
package enum RefusalCause: String, Sendable, CaseIterable {
    // The local process.
    case notRedirected = "not_redirected"
    case notIdentified = "not_identified"
    case identityDeleted = "identity_deleted"
    case openerChanged = "opener_changed"
    case boundToDevice = "bound_to_device"
    case tracing = "tracing_denied"

    // The far end.
    case peerUnproved = "peer_unproved"
    case peerUnexpected = "peer_unexpected"
    case peerNotAllowed = "peer_not_allowed"
    case svidWithdrawn = "svid_withdrawn"
    case plainText = "plain_text"
    case handshakeFailed = "handshake_failed"
    case unreachable = "unreachable"

    // The place.
    case nobodyListens = "nobody_listens"
    case placeNotAllowed = "place_not_allowed"
    case policyChanged = "policy_changed"
    case networkNotServed = "network_not_served"

    // This host.
    case tooManyConnections = "too_many_connections"
    case clientGone = "client_gone"
    case unavailable = "temporarily_unavailable"
    case upstreamFailed = "upstream_failed"

    // A request.
    case requestMalformed = "request_malformed"
    case headersTooLarge = "headers_too_large"
    case requestTimeout = "request_timeout"
    case pathAmbiguous = "path_ambiguous"
    case pathNotCovered = "path_not_covered"
    case resourceAmbiguous = "resource_ambiguous"
    case peerUnknown = "peer_unknown"
    case peerRefused = "peer_refused"

    // A token; the first three as RFC 6750, section 3.1, has them.
    case invalidRequest = "invalid_request"
    case invalidToken = "invalid_token"
    case insufficientScope = "insufficient_scope"
    case tokenMissing = "token_missing"
    /// Too many were shown that were not good.
    case tooManyTokens = "too_many_tokens"
    /// The authorization server gave none; the answer has its error.
    case tokenRefused = "token_refused"
}
