import Limits
import SPIFFE
import Workloads

/// What a client gets, or why nothing.
enum TokenDecision: Equatable {
    case grant(resource: ProtectedResource, scopes: [String])
    case refuse(OAuthRefusal)
}

/// Which resource does a request for a token mean, and which scopes of it? Whether the client may have it is its
/// ``Entitlement``.
enum TokenPolicy {
    /// - Parameters:
    ///   - requested: each `resource` parameter; RFC 8707, section 2.
    ///   - scope: the `scope` parameter; nil asks for all the resource has.
    static func decision(client: ClientStanding, requested: [String], scope: String?) -> TokenDecision {
        let names = Set(requested)
        guard names.count <= 1 else {
            return .refuse(OAuthRefusal(.invalidTarget, "\(client.id) asked for \(names.count) resources in one token"))
        }
        guard let name = names.first ?? client.onlyResource else {
            return .refuse(
                OAuthRefusal(
                    .invalidTarget, "\(client.id) named no resource and may have \(client.allowed.count)"))
        }
        switch client.entitlement(to: name) {
        case .refused(let cause): return .refuse(OAuthRefusal(cause))
        case .entitled(let resource): return grant(resource, scope: scope)
        }
    }

    private static func grant(_ resource: ProtectedResource, scope: String?) -> TokenDecision {
        guard let scope else { return .grant(resource: resource, scopes: resource.scopes) }
        let asked = scope.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        if let stranger = asked.first(where: { !resource.scopes.contains($0) }) {
            return .refuse(
                OAuthRefusal(
                    .invalidScope,
                    "\(resource.resource) has no scope \"\(stranger.cut(toJSONBytes: Limits.Audit.wordBytes))\""))
        }
        return .grant(resource: resource, scopes: resource.scopes.filter(asked.contains))
    }

    /// May a client be given a token nobody's certificate binds?
    static func binding(
        of caller: AuthenticatedCaller, allowsUnbound: Bool,
    ) throws(OAuthRefusal) -> CertificateThumbprint? {
        if let certificate = caller.certificate { return certificate.thumbprint }
        guard allowsUnbound else {
            throw OAuthRefusal(.invalidClient, "\(caller.id) brought no certificate to bind the token to")
        }
        return nil
    }
}

extension ClientStanding {
    /// What a request means that names none.
    fileprivate var onlyResource: String? { allowed.count == 1 ? allowed[0].resource.text : nil }
}
