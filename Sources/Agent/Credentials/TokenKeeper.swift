package import ControlPlaneAPI
package import Foundation
import Gateway
import Limits
package import Proxy
package import SPIFFE
package import Workloads

/// The authorization server, to which one workload speaks.
package protocol TokenIssuer: Sendable {
    func registerOAuthClient(scope: String?) async throws(ControlPlaneError) -> OAuthRegistration
    func token(clientID: SPIFFEID, resource: String, scope: String) async throws(ControlPlaneError) -> OAuthToken
}

extension ControlPlaneClient: TokenIssuer {}

/// Registers this host's workloads as OAuth clients and holds their access tokens.
///
/// A token is kept by the SVID it is bound to: the one whose certificate the connection was opened with. One request at a time for each.
package actor TokenKeeper: TokenSource {
    private struct Key: Hashable {
        let thumbprint: CertificateThumbprint
        let resource: ResourceURL
        /// A token has the scopes that were declared when it was asked for.
        let scopes: [String]
    }

    private let issuer: @Sendable (X509SVID) async throws -> any TokenIssuer
    private let now: @Sendable () -> Date
    private var tokens: [Key: (token: AccessToken, refreshAt: Date)] = [:]
    private var requests: [Key: Task<AccessToken, any Error>] = [:]
    private var registered: Set<SPIFFEID> = []
    private var waits = ToldWaits()

    package init(
        at now: @escaping @Sendable () -> Date = { Date() },
        issuer: @escaping @Sendable (X509SVID) async throws -> any TokenIssuer,
    ) {
        self.now = now
        self.issuer = issuer
    }

    package func token(for resource: ProtectedResource, svid: X509SVID) async throws -> AccessToken {
        let key = Key(thumbprint: svid.thumbprint, resource: resource.resource, scopes: resource.scopes)
        let now = self.now()
        if let held = tokens[key], held.refreshAt > now { return held.token }
        do {
            try waits.check(svid.id, at: .now)
            return try await FirstAnswer.of(request(key, resource: resource, svid: svid))
        } catch {
            // The control plane is away, or asks to wait: what is still valid is still used, and introspection has the last word.
            if let held = tokens[key], held.token.expiresAt > now, Self.isPassing(error) { return held.token }
            throw Self.refusal(of: error, resource: resource.resource)
        }
    }

    /// Forgets tokens for what is no longer declared as it was; registrations are made again, which changes nothing where they stand.
    package func retain(_ resources: [ProtectedResource]) {
        let known = Set(resources.map(\.resource))
        tokens = tokens.filter { known.contains($0.key.resource) }
        registered = []
    }

    private static func isPassing(_ error: any Error) -> Bool {
        guard let error = error as? ControlPlaneError else { return false }
        return switch error {
        case .unreachable, .turnedAway: true
        case .problem, .unexpected: error.wait != nil
        }
    }

    /// The authorization server's "no" is the caller's to know; that it is away passes.
    private static func refusal(of error: any Error, resource: ResourceURL) -> any Error {
        guard case ControlPlaneError.problem(let problem) = error else {
            return AgentError.tokenUnavailable(resource: resource.text, reason: "\(error)")
        }
        if let seconds = problem.retryAfter {
            return Refusal(
                status: 503, .unavailable, error: problem.error,
                reason: "no access token for \(resource) now: \(problem.message)",
                remedy: "call again later; find out what asks for so many tokens as this workload", retryAfter: seconds)
        }
        return Refusal(
            status: 403, .tokenRefused, error: problem.error,
            reason: "no access token for \(resource): \(problem.message)",
            remedy: "allow the workload in the ProtectedResource's allowedSPIFFEIDs",
        )
    }

    private func request(_ key: Key, resource: ProtectedResource, svid: X509SVID) -> Task<AccessToken, any Error> {
        if let running = requests[key] { return running }
        let task = Task {
            do { return try await self.fetch(key, resource: resource, svid: svid) } catch {
                waits.note(error, of: svid.id, at: .now)
                throw error
            }
        }
        requests[key] = task
        return task
    }

    private func fetch(_ key: Key, resource: ProtectedResource, svid: X509SVID) async throws -> AccessToken {
        defer { requests[key] = nil }
        let client = try await issuer(svid)
        if !registered.contains(svid.id) {
            _ = try await client.registerOAuthClient(scope: nil)
            // Of templates there may be IDs without end; a registration that stands is only made again.
            if registered.count >= Limits.Identities.svids { registered = [] }
            registered.insert(svid.id)
        }
        let asked = now()
        let answer = try await token(for: resource, svid: svid, by: client)
        let lifetime = TimeInterval(answer.expiresIn)
        let token = AccessToken(
            value: answer.accessToken, id: Self.tokenID(of: answer.accessToken),
            expiresAt: asked.addingTimeInterval(lifetime),
        )
        let now = self.now()
        tokens = tokens.filter { $0.value.token.expiresAt > now }
        tokens[key] = (token, asked.addingTimeInterval(lifetime * 0.75))
        return token
    }

    /// Registered again where it turns out not to be: a registration ends with the SVIDs of its client.
    private func token(
        for resource: ProtectedResource, svid: X509SVID, by client: any TokenIssuer,
    ) async throws -> OAuthToken {
        let ask = { () async throws(ControlPlaneError) in
            try await client.token(
                clientID: svid.id, resource: resource.resource.text, scope: resource.scopes.joined(separator: " "))
        }
        do { return try await ask() } catch ControlPlaneError.problem(let problem)
            where problem.error == "invalid_client"
        {
            _ = try await client.registerOAuthClient(scope: nil)
            return try await ask()
        }
    }

    /// `jti`, for the audit alone: the token came from the issuer itself, over a connection that proved who it is.
    private static func tokenID(of jwt: String) -> String {
        struct Claims: Decodable { var jti: String? }
        let parts = jwt.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let payload = Base64URL.decode(parts[1]) else { return "" }
        return (try? JSONDecoder().decode(Claims.self, from: payload))?.jti ?? ""
    }
}
