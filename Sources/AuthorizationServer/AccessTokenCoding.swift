import Crypto
import Foundation
import SPIFFE

/// Access tokens as JWTs: RFC 9068, section 2.2, bound by RFC 8705, section 3.1.
struct AccessTokenCoding {
    let issuer: String
    let key: TokenSigningKey

    static let type = "at+jwt"

    func encode(_ token: IssuedToken) throws -> String {
        try JWS.sign(claims(of: token), type: Self.type, keyID: key.id, with: key.key)
    }

    /// - Returns: `jti`; nil for anything this server did not sign as an access token.
    func tokenID(of text: String) -> String? {
        guard let jws = try? JWS(parsing: text), jws.type == Self.type, jws.keyID == key.id,
            jws.isSigned(by: key.key.publicKey), jws.claims["iss"] == .string(issuer)
        else { return nil }
        return jws.claims["jti"]?.string
    }

    /// Both of the token and of its introspection.
    func claims(of token: IssuedToken) -> [String: JSONValue] {
        var claims: [String: JSONValue] = [
            "aud": .string(token.audience),
            "client_id": .string(token.client.description),
            "exp": .integer(Int64(token.expiresAt.timeIntervalSince1970)),
            "iat": .integer(Int64(token.issuedAt.timeIntervalSince1970)),
            "iss": .string(issuer),
            "jti": .string(token.id),
            "sub": .string(token.client.description),
        ]
        if !token.scopes.isEmpty { claims["scope"] = .string(token.scopes.joined(separator: " ")) }
        if let thumbprint = token.thumbprint { claims["cnf"] = ["x5t#S256": .string(thumbprint.base64URL)] }
        return claims
    }
}
