import Foundation
import Limits
import SPIFFE

/// The metadata a client asks to be registered with: RFC 7591, section 2.
struct RegistrationRequest {
    let softwareStatement: String?
    let members: [String: JSONValue]

    init(parsing body: Data) throws(OAuthRefusal) {
        let value: JSONValue
        do { value = try JSONValue(parsing: body) } catch {
            throw OAuthRefusal(.invalidClientMetadata, "the body is no strict JSON, \(error)")
        }
        guard let members = value.object else {
            throw OAuthRefusal(.invalidClientMetadata, "the body is no JSON object")
        }
        if let statement = members["software_statement"], statement.string == nil {
            throw OAuthRefusal(.invalidSoftwareStatement, "software_statement is no string")
        }
        softwareStatement = members["software_statement"]?.string
        self.members = members
    }

    /// Claims of a statement replace members of the same name: RFC 7591, section 2.3.
    func metadata(overriddenBy claims: [String: JSONValue]) throws(OAuthRefusal) -> ClientMetadata {
        let names = ["client_name", "grant_types", "redirect_uris", "scope", "spiffe_id", "token_endpoint_auth_method"]
        let claimed = claims.filter { names.contains($0.key) }
        return try ClientMetadata(members.merging(claimed) { _, claim in claim })
    }
}

/// Metadata this server can honour. What it has no use for is ignored, `spiffe_bundle_endpoint` and `jwks` above all:
/// a client does not say whom to trust.
struct ClientMetadata: Equatable {
    let name: String?
    let method: ClientAuthenticationMethod?
    let scopes: [String]?
    let spiffeID: String?

    init(_ members: [String: JSONValue]) throws(OAuthRefusal) {
        name = try Self.text("client_name", in: members)
        spiffeID = try Self.text("spiffe_id", in: members)
        scopes = try Self.text("scope", in: members)?.split(separator: " ").map(String.init)
        let method = try Self.text("token_endpoint_auth_method", in: members)
        self.method = method.flatMap(ClientAuthenticationMethod.init)
        guard method == nil || self.method != nil else {
            throw OAuthRefusal(
                .invalidClientMetadata, "token_endpoint_auth_method is neither spiffe_jwt nor spiffe_x509")
        }
        try Self.checkGrants(members["grant_types"])
        guard members["redirect_uris"] == nil || members["redirect_uris"] == .array([]) else {
            throw OAuthRefusal(.invalidRedirectURI, "redirect_uris without a grant that redirects")
        }
        guard (name?.utf8.count ?? 0) <= Limits.Audit.nameBytes else {
            throw OAuthRefusal(.invalidClientMetadata, "client_name is longer than \(Limits.Audit.nameBytes) bytes")
        }
    }

    /// Grants asked for beside client_credentials are left out of the answer, section 3.2.1.
    private static func checkGrants(_ value: JSONValue?) throws(OAuthRefusal) {
        guard let value else { return }
        guard let grants = value.strings, grants.contains("client_credentials") else {
            throw OAuthRefusal(.invalidClientMetadata, "grant_types does not hold client_credentials")
        }
    }

    private static func text(_ name: String, in members: [String: JSONValue]) throws(OAuthRefusal) -> String? {
        guard let value = members[name] else { return nil }
        guard let text = value.string else { throw OAuthRefusal(.invalidClientMetadata, "\(name) is no string") }
        return text
    }
}
