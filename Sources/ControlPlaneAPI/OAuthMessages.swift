import Foundation

// What an agent reads of the authorization server's answers; names are those on the wire.

/// RFC 7591, section 3.2.1: the members an agent has use for.
package struct OAuthRegistration: Sendable, Codable {
    /// The workload's SPIFFE ID.
    package var clientID: String
    package var scope: String?

    enum CodingKeys: String, CodingKey {
        case clientID = "client_id"
        case scope
    }

    package init(clientID: String, scope: String?) {
        self.clientID = clientID
        self.scope = scope
    }
}

/// RFC 6749, section 5.1. The token is a secret: it goes into requests and nowhere else.
package struct OAuthToken: Sendable, Codable {
    package var accessToken: String
    /// Seconds from the answer.
    package var expiresIn: Int
    package var scope: String?

    enum CodingKeys: String, CodingKey {
        case accessToken = "access_token"
        case expiresIn = "expires_in"
        case scope
    }

    package init(accessToken: String, expiresIn: Int, scope: String?) {
        self.accessToken = accessToken
        self.expiresIn = expiresIn
        self.scope = scope
    }
}

/// RFC 7662, section 2.2. Of an inactive token nothing but `active` is set.
package struct OAuthIntrospection: Sendable, Codable, Equatable {
    package var active: Bool
    package var scope: String?
    package var clientID: String?
    package var sub: String?
    package var aud: String?
    package var iss: String?
    package var jti: String?
    /// Seconds since 1970.
    package var exp: Int64?
    package var cnf: Confirmation?

    /// RFC 8705, section 3.1.
    package struct Confirmation: Sendable, Codable, Equatable {
        package var thumbprint: String?

        enum CodingKeys: String, CodingKey {
            case thumbprint = "x5t#S256"
        }

        package init(thumbprint: String?) { self.thumbprint = thumbprint }
    }

    enum CodingKeys: String, CodingKey {
        case active, scope, sub, aud, iss, jti, exp, cnf
        case clientID = "client_id"
    }
}

/// `application/x-www-form-urlencoded`, as HTML and RFC 6749, appendix B, write it.
enum FormEncoding {
    private static let unreserved = CharacterSet(
        charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")

    static func encode(_ fields: [(String, String)]) -> Data {
        let pairs = fields.map { name, value in
            let text = value.addingPercentEncoding(withAllowedCharacters: unreserved) ?? ""
            return "\(name)=\(text)"
        }
        return Data(pairs.joined(separator: "&").utf8)
    }
}
