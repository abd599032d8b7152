package import Foundation
import SPIFFE

/// RFC 8414.
extension AuthorizationServer {
    /// The JSON document; the HTTP layer serves it at `/.well-known/oauth-authorization-server/<issuer's path>` too.
    package func metadata() -> Data {
        Data(JSONValue.object(metadataMembers).description.utf8)
    }

    var metadataMembers: [String: JSONValue] {
        let methods = JSONValue.array(ClientAuthenticationMethod.allCases.map { .string($0.rawValue) })
        let algorithms: JSONValue = [.string(JWS.algorithm)]
        return [
            "issuer": .string(configuration.issuer),
            // Clients of the MCP SDK drop metadata without these three, also when they never authorize interactively.
            "authorization_endpoint": url("/authorize"),
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint": url("/token"),
            "jwks_uri": url("/jwks"),
            "registration_endpoint": url("/register"),
            "introspection_endpoint": url("/introspect"),
            "revocation_endpoint": url("/revoke"),
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": methods,
            "token_endpoint_auth_signing_alg_values_supported": algorithms,
            "introspection_endpoint_auth_methods_supported": methods,
            "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
            "revocation_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
            "tls_client_certificate_bound_access_tokens": true,
        ]
    }

    func url(_ path: String) -> JSONValue { .string(configuration.issuer + path) }
}
