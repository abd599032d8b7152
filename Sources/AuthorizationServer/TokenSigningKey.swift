package import Crypto
package import Foundation
package import SPIFFE

/// The key that signs access tokens: another family than the SVID keys, in another file, published elsewhere.
///
/// draft-ietf-oauth-spiffe-client-auth-02, section 8.1.
package struct TokenSigningKey: Sendable {
    let key: P256.Signing.PrivateKey
    /// `kid`: the JWK thumbprint, RFC 7638.
    package let id: String

    /// Opens or creates `access-token.key`, mode 0600, in a directory of mode 0700.
    package static func open(directory: URL) throws(KeyDirectoryError) -> TokenSigningKey {
        TokenSigningKey(key: try KeyDirectory(opening: directory).signingKey("access-token.key"))
    }

    package init(key: P256.Signing.PrivateKey) {
        self.key = key
        id = key.publicKey.jwkThumbprint
    }

    /// RFC 7517: public members only.
    var jwk: JSONValue {
        let (x, y) = key.publicKey.coordinates
        return [
            "alg": "ES256", "crv": "P-256", "kid": .string(id), "kty": "EC", "use": "sig",
            "x": .string(x), "y": .string(y),
        ]
    }
}
