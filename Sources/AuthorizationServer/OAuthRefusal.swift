/// A refused request: what its sender is told, and why it was, which only the journal is told.
struct OAuthRefusal: Error, Equatable {
    let code: Code
    let reason: String

    init(_ code: Code, _ reason: String) {
        self.code = code
        self.reason = reason
    }

    init(_ cause: Entitlement.Cause) {
        switch cause {
        case .withdrawn, .notRegistered: self.init(.invalidClient, "\(cause)")
        case .noResource, .notAllowed: self.init(.invalidTarget, "\(cause)")
        }
    }

    init(_ objection: OAuthObjection) {
        switch objection {
        case .notEntitled(let cause): self.init(cause)
        case .tooMany(let reason): self.init(.temporarilyUnavailable, reason)
        }
    }

    /// RFC 6749, section 5.2; RFC 7591, section 3.2.2; RFC 8707, section 2.
    enum Code: String {
        case invalidRequest = "invalid_request"
        case invalidClient = "invalid_client"
        case unauthorizedClient = "unauthorized_client"
        case unsupportedGrantType = "unsupported_grant_type"
        case unsupportedResponseType = "unsupported_response_type"
        case invalidScope = "invalid_scope"
        case invalidTarget = "invalid_target"
        case invalidSoftwareStatement = "invalid_software_statement"
        case unapprovedSoftwareStatement = "unapproved_software_statement"
        case invalidClientMetadata = "invalid_client_metadata"
        case invalidRedirectURI = "invalid_redirect_uri"
        case accessDenied = "access_denied"
        case serverError = "server_error"
        case temporarilyUnavailable = "temporarily_unavailable"

        var status: Int {
            switch self {
            case .invalidClient: 401
            case .accessDenied: 403
            case .serverError: 500
            case .temporarilyUnavailable: 429
            default: 400
            }
        }

        /// The same sentence for every cause, so that probing tells nothing.
        var generic: String {
            switch self {
            case .invalidRequest: "a parameter is missing, repeated or malformed"
            case .invalidClient: "client authentication failed; authenticate with a current SVID"
            case .unauthorizedClient: "this client may not do that"
            case .unsupportedGrantType: "use client_credentials"
            case .unsupportedResponseType: "there are no interactive logins here; use the token endpoint"
            case .invalidScope: "the scope is not available for this resource"
            case .invalidTarget: "name one resource this client may have"
            case .invalidSoftwareStatement: "the software statement is no JWT-SVID that is valid here"
            case .unapprovedSoftwareStatement: "this software statement may not register"
            case .invalidClientMetadata: "a metadata member has a value that is not available"
            case .invalidRedirectURI: "clients here have no redirect URIs"
            case .accessDenied: "this identity may not register"
            case .temporarilyUnavailable: "too many tokens of this client are valid; use one of them, or wait"
            case .serverError: "the server could not do that now; try again"
            }
        }
    }
}
