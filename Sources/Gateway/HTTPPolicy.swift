package import Foundation
import Limits
package import SPIFFE
package import Workloads

/// What happens to one HTTP request at a port where protected resources are served.
///
/// Pure: the caller brings what introspection said. Whatever no resource covers is refused.
package struct HTTPPolicy: Sendable {
    /// All resources of the port.
    package let resources: [ProtectedResource]
    /// The IP address the connection goes to.
    package let address: String?

    /// - Parameter address: tells resources of one path apart that are declared for several addresses of a service.
    package init(resources: [ProtectedResource], address: String? = nil) {
        self.resources = resources
        self.address = address
    }

    /// The resource a local workload's request needs a token for.
    ///
    /// - Parameter target: as in the request line.
    package func outbound(target: String) throws(Refusal) -> ProtectedResource {
        try resource(for: target)
    }

    /// What to ask the authorization server about an incoming request.
    package struct Inquiry: Sendable, Equatable {
        /// Goes to introspection and nowhere else.
        package let token: String
        package let resource: ProtectedResource
        package let caller: Caller
    }

    /// Who the mutual TLS handshake proved.
    package struct Caller: Sendable, Equatable {
        package let id: SPIFFEID
        package let thumbprint: CertificateThumbprint

        package init(id: SPIFFEID, thumbprint: CertificateThumbprint) {
            self.id = id
            self.thumbprint = thumbprint
        }
    }

    /// First half of an incoming request's decision.
    ///
    /// - Parameters:
    ///   - authorization: every `Authorization` header's value, in order.
    ///   - caller: nil on plain text.
    package func beforeIntrospection(
        authorization: [String], target: String, caller: Caller?,
    ) throws(Refusal) -> Inquiry {
        let resource = try resource(for: target)
        // Fail closed: without a certificate there is nothing a token could be bound to.
        guard let caller else { throw .peerMissing }
        guard let value = authorization.first else { throw .credentialsMissing }
        guard authorization.count == 1 else {
            throw .invalidRequest("the request carries \(authorization.count) Authorization headers")
        }
        return Inquiry(token: try Self.bearerToken(value), resource: resource, caller: caller)
    }

    /// Second half: the token has to be alive, for this resource, for this caller and over this certificate.
    ///
    /// RFC 9068, section 4; RFC 8705, section 3.
    package func afterIntrospection(
        _ status: TokenStatus, of inquiry: Inquiry, at now: Date,
    ) throws(Refusal) -> TokenFacts {
        guard case .active(let facts) = status, facts.expiresAt > now else {
            throw .invalidToken("the token is not active", remedy: "get a new token; this one expired or was revoked")
        }
        guard facts.audience == inquiry.resource.resource.text else {
            throw .invalidToken(
                "the token is for another resource", remedy: "get a token for \(inquiry.resource.resource.text)",
            )
        }
        try checkHolder(facts, inquiry.caller)
        let missing = inquiry.resource.scopes.filter { !facts.scopes.contains($0) }
        guard missing.isEmpty else { throw .insufficientScope(missing, needed: inquiry.resource.scopes) }
        return facts
    }

    private func checkHolder(_ facts: TokenFacts, _ caller: Caller) throws(Refusal) {
        guard facts.subject == caller.id else {
            throw .invalidToken(
                "the token belongs to another workload than the caller", remedy: "call with a token of your own",
            )
        }
        // Fail closed: an unbound token is as good for a thief as for its owner.
        guard facts.thumbprint == caller.thumbprint.base64URL else {
            throw .invalidToken(
                "the token is not bound to the certificate of this connection",
                remedy: "get a token over the SVID in use",
            )
        }
    }

    /// The innermost resource that covers the path.
    private func resource(for target: String) throws(Refusal) -> ProtectedResource {
        let path = try RequestTarget(target).path
        let covering = resources.filter { $0.resource.covers(path: path) }
        guard let depth = covering.map(\.resource.path.utf8.count).max() else { throw .uncovered(path) }
        let deepest = covering.filter { $0.resource.path.utf8.count == depth }
        let here = address.map { address in deepest.filter { $0.resource.isAt(address: address) } } ?? []
        // One with another address is meant only where there is nothing else.
        let named = deepest.filter { $0.resource.address == nil }
        let innermost = [here, named].first { !$0.isEmpty } ?? deepest
        guard innermost.count == 1 else {
            throw Refusal(
                status: 403, .resourceAmbiguous,
                reason: "resources \(innermost.map(\.name).sorted().joined(separator: ", ")) claim the same path",
                remedy: "declare one resource for each path of a port",
            )
        }
        return innermost[0]
    }

    /// RFC 6750, section 2.1: the scheme in any case, one space or more, a `b64token`.
    private static func bearerToken(_ value: String) throws(Refusal) -> String {
        let parts = value.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else {
            throw .invalidRequest("the Authorization header is no bearer token")
        }
        let token = parts[1].drop { $0 == " " }
        let body = token.utf8.prefix { $0 != UInt8(ascii: "=") }
        guard !body.isEmpty, token.utf8.count <= Limits.Formats.tokenBytes, body.allSatisfy(isTokenByte),
            token.utf8.dropFirst(body.count).allSatisfy({ $0 == UInt8(ascii: "=") })
        else { throw .invalidRequest("the Authorization header holds no single well-formed token") }
        return String(token)
    }

    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: "+"),
            UInt8(ascii: "/"):
            true
        default: false
        }
    }
}
