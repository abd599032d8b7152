package import Foundation
import SPIFFE

/// An answer of the authorization server, whatever HTTP library carries it.
package struct OAuthResponse: Sendable {
    package var status: Int
    package var headers: [(String, String)]
    package var body: Data

    /// JSON that nobody stores on the way: RFC 6749, section 5.1.
    static func json(_ status: Int, _ members: [String: JSONValue]) -> OAuthResponse {
        let headers = [
            ("Content-Type", "application/json"), ("Cache-Control", "no-store"), ("Pragma", "no-cache"),
        ]
        return OAuthResponse(status: status, headers: headers, body: Data(JSONValue.object(members).description.utf8))
    }

    /// RFC 6749, section 5.2.
    static func error(_ status: Int, _ code: String, _ description: String) -> OAuthResponse {
        json(status, ["error": .string(code), "error_description": .string(description)])
    }

    static func refusal(_ refusal: OAuthRefusal) -> OAuthResponse {
        var response = error(refusal.code.status, refusal.code.rawValue, refusal.code.generic)
        // RFC 9110, section 11.6.1, wants a challenge with each 401; never Basic, which would invite a secret.
        if refusal.code == .invalidClient { response.headers.append(("WWW-Authenticate", "Bearer realm=\"tidemark\"")) }
        return response
    }

    /// RFC 6585, section 4.
    ///
    /// - Parameter seconds: until there is an answer again.
    static func tooMuch(retryAfter seconds: Int) -> OAuthResponse {
        var response = error(
            429, OAuthRefusal.Code.temporarilyUnavailable.rawValue,
            "this client asks too often; wait as Retry-After says")
        response.headers.append(("Retry-After", "\(seconds)"))
        return response
    }

    /// RFC 9110, section 15.5.6.
    static func methodNotAllowed(_ allowed: String) -> OAuthResponse {
        var response = error(405, "invalid_request", "use \(allowed) here")
        response.headers.append(("Allow", allowed))
        return response
    }
}
