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

/// Who shows a token: the peer of the connection, and where it comes from.
package struct TokenBearer: Hashable, Sendable {
    /// nil: it has proven nothing.
    package let peer: SPIFFEID?
    /// An IPv4 address, or the first 64 bits of an IPv6 one.
    package let address: [UInt8]

    package init(peer: SPIFFEID?, address: [UInt8]) {
        self.peer = peer
        self.address = address
    }
}

/// Asks the authorization server about a token, as the local workload that was given it.
package protocol TokenIntrospector: Sendable {
    /// - Throws: a ``Refusal`` where this bearer has shown too many that were not good.
    func introspect(_ token: String, of bearer: TokenBearer, as server: SPIFFEID) async throws -> TokenStatus
}
