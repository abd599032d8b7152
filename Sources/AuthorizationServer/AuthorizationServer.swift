package import Foundation
import Limits
package import SPIFFE

/// OAuth 2.0 for workloads that hold SVIDs. Knows no HTTP library and never sees an SVID signing key.
///
/// RFC 6749, 7009, 7591, 7662, 8414, 8705, 8707, 9068; draft-ietf-oauth-spiffe-client-auth-02.
package struct AuthorizationServer: Sendable {
    /// What the operator decides about tokens.
    package struct Configuration: Sendable {
        /// Exactly as clients write it, such as `https://host:8443/oauth`: with a path, without a trailing slash.
        package var issuer: String
        package var trustDomain: TrustDomain
        /// Cut to what is left of the SVID a token is bound to.
        package var accessTokenLifetime: Duration
        /// Whether a client without a certificate gets a token anyone can use who has it.
        package var allowsUnboundTokens: Bool
        /// Whether a valid SVID at the token endpoint is registration enough.
        package var registersOnFirstUse: Bool

        package init(
            issuer: String, trustDomain: TrustDomain, accessTokenLifetime: Duration = Limits.OAuth.tokenLifetime,
            allowsUnboundTokens: Bool = false, registersOnFirstUse: Bool = false,
        ) {
            self.issuer = issuer
            self.trustDomain = trustDomain
            self.accessTokenLifetime = accessTokenLifetime
            self.allowsUnboundTokens = allowsUnboundTokens
            self.registersOnFirstUse = registersOnFirstUse
        }
    }

    let configuration: Configuration
    let tokens: AccessTokenCoding
    let store: any OAuthStore
    let directory: any OAuthDirectory
    let journal: any OAuthJournal
    let admission: any OAuthAdmission
    let now: @Sendable () -> Date

    package init(
        configuration: Configuration, keys: TokenSigningKey, store: any OAuthStore, directory: any OAuthDirectory,
        journal: any OAuthJournal, admission: any OAuthAdmission, now: @escaping @Sendable () -> Date = { Date() },
    ) {
        self.configuration = configuration
        self.tokens = AccessTokenCoding(issuer: configuration.issuer, key: keys)
        self.store = store
        self.directory = directory
        self.journal = journal
        self.admission = admission
        self.now = now
    }

    /// Always answers; nothing changed when the status is 4xx or 5xx.
    package func handle(_ request: OAuthRequest) async -> OAuthResponse {
        guard let endpoint = Endpoint(path: request.path) else {
            return .error(404, "not_found", "see the issuer's metadata for what is here")
        }
        guard request.method == endpoint.method else { return .methodNotAllowed(endpoint.method) }
        guard request.body.count <= Limits.OAuth.bodyBytes else {
            return .error(413, "invalid_request", "at most \(Limits.OAuth.bodyBytes >> 10) KiB are read")
        }
        if let expected = endpoint.contentType, !request.has(contentType: expected) {
            return .error(415, "invalid_request", "send \(expected)")
        }
        return await answer(request, at: endpoint)
    }

    private func answer(_ request: OAuthRequest, at endpoint: Endpoint) async -> OAuthResponse {
        switch endpoint {
        case .metadata: .json(200, metadataMembers)
        case .keys: .json(200, ["keys": [tokens.key.jwk]])
        case .authorize: .refusal(OAuthRefusal(.unsupportedResponseType, "no interactive logins"))
        case .register: await reported(.clientRefused, request) { try await register(request, &$0) }
        case .token: await reported(.tokenRefused, request) { try await issueToken(request, &$0) }
        case .introspect: await reported(.introspectionRefused, request) { try await introspect(request, &$0) }
        case .revoke: await reported(.revocationRefused, request) { try await revoke(request, &$0) }
        }
    }

    /// Runs an endpoint and puts its refusal into the journal, with what was known of the caller by then.
    private func reported(
        _ kind: OAuthEvent.Kind, _ request: OAuthRequest,
        _ work: (inout OAuthEvent) async throws -> OAuthResponse,
    ) async -> OAuthResponse {
        var event = OAuthEvent(kind, reason: "")
        event.caller = request.client?.spiffeID
        event.svidSerial = request.client?.serialNumber
        var refusal: OAuthRefusal
        do {
            if let client = request.client { try await admit(client.spiffeID, issuedAt: client.issuedAt, event) }
            return try await work(&event)
        } catch let excess as OAuthExcess {
            // Told of where it is counted.
            return .tooMuch(retryAfter: excess.seconds)
        } catch let error as OAuthRefusal {
            refusal = error
        } catch let objection as OAuthObjection {
            refusal = OAuthRefusal(objection)
        } catch {
            refusal = OAuthRefusal(.serverError, "\(error)")
        }
        event.kind = kind
        event.reason = "\(refusal.code.rawValue): \(refusal.reason)"
        // Refused stays refused whether or not the journal takes it; but then nobody learns why.
        do { try await journal.record(event) } catch { refusal = OAuthRefusal(.serverError, "\(error)") }
        return .refusal(refusal)
    }

    /// Of somebody whose identity is given, by a proof that is not withdrawn.
    func standing(of caller: AuthenticatedCaller) async throws -> ClientStanding {
        let standing = try await directory.standing(of: caller.id, issuedAt: caller.issuedAt)
        if let objection = standing.objection { throw OAuthRefusal(.withdrawn(objection)) }
        return standing
    }

    func authentication() async throws -> ClientAuthentication {
        ClientAuthentication(
            issuer: configuration.issuer, trustDomain: configuration.trustDomain,
            bundles: try await directory.bundles(), now: now(),
        )
    }
}

enum Endpoint {
    case metadata, keys, authorize, register, token, introspect, revoke

    init?(path: String) {
        switch path {
        case "/.well-known/oauth-authorization-server": self = .metadata
        case "/jwks": self = .keys
        case "/authorize": self = .authorize
        case "/register": self = .register
        case "/token": self = .token
        case "/introspect": self = .introspect
        case "/revoke": self = .revoke
        default: return nil
        }
    }

    /// GET where nothing secret goes in; never both, so that no token ends up in a URL.
    var method: String {
        switch self {
        case .metadata, .keys, .authorize: "GET"
        case .register, .token, .introspect, .revoke: "POST"
        }
    }

    var contentType: String? {
        switch self {
        case .metadata, .keys, .authorize: nil
        case .register: "application/json"
        case .token, .introspect, .revoke: "application/x-www-form-urlencoded"
        }
    }
}

extension OAuthEvent {
    mutating func set(_ caller: AuthenticatedCaller) {
        self.caller = caller.id
        method = caller.method
        svidSerial = caller.certificate?.serialNumber
    }
}
