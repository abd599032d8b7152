import Limits
import SPIFFE
import Workloads

/// What a client gets, or why nothing.
enum TokenDecision: Equatable {
    case grant(resource: ProtectedResource, scopes: [String])
    case refuse(OAuthRefusal)
}

/// May this client have a token for that resource, and with which scopes?
enum TokenPolicy {
    /// - Parameters:
    ///   - requested: each `resource` parameter; RFC 8707, section 2.
    ///   - scope: the `scope` parameter; nil asks for all the resource has.
    static func decision(
        client: SPIFFEID, resources: [ProtectedResource], requested: [String], scope: String?,
    ) -> TokenDecision {
        let allowed = resources.filter { resource in resource.allowed.contains { $0.matches(client) } }
        let names = Set(requested)
        guard names.count <= 1 else {
            return .refuse(OAuthRefusal(.invalidTarget, "\(client) asked for \(names.count) resources in one token"))
        }
        guard let name = names.first else {
            guard allowed.count == 1 else {
                return .refuse(
                    OAuthRefusal(.invalidTarget, "\(client) named no resource and may have \(allowed.count)"))
            }
            return grant(allowed[0], scope: scope)
        }
        guard resources.contains(where: { $0.resource.text == name }) else {
            return .refuse(
                OAuthRefusal(.invalidTarget, "no manifest declares resource \"\(name.cut(toJSONBytes: 256))\""))
        }
        guard let resource = allowed.first(where: { $0.resource.text == name }) else {
            return .refuse(OAuthRefusal(.invalidTarget, "\(client) is not in allowedSPIFFEIDs of \(name)"))
        }
        return grant(resource, scope: scope)
    }

    private static func grant(_ resource: ProtectedResource, scope: String?) -> TokenDecision {
        guard let scope else { return .grant(resource: resource, scopes: resource.scopes) }
        let asked = scope.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        if let stranger = asked.first(where: { !resource.scopes.contains($0) }) {
            return .refuse(
                OAuthRefusal(.invalidScope, "\(resource.resource) has no scope \"\(stranger.cut(toJSONBytes: 64))\""))
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
