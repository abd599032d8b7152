package import Foundation
package import Gateway
package import SPIFFE
package import Workloads

/// An access token the agent holds for a workload. The value goes into requests and nowhere else.
package struct AccessToken: Sendable {
    package let value: String
    /// `jti`, for the audit.
    package let id: String
    package let expiresAt: Date

    package init(value: String, id: String, expiresAt: Date) {
        self.value = value
        self.id = id
        self.expiresAt = expiresAt
    }
}

/// Gets tokens, bound to the very SVID a connection was opened with.
package protocol TokenSource: Sendable {
    func token(for resource: ProtectedResource, svid: X509SVID) async throws -> AccessToken
}

/// Asks the authorization server about a token, as the local workload that was given it.
package protocol TokenIntrospector: Sendable {
    func introspect(_ token: String, as server: SPIFFEID) async throws -> TokenStatus
}
