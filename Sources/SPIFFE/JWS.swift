package import Crypto
import Foundation
import Limits

/// A compact JSON Web Signature with ES256, read strictly; docs/decisions/0002-jws.md says why this is our own code.
///
/// RFC 7515, section 7.1; RFC 8725. Parsed is not verified: see ``isSigned(by:)``.
package struct JWS: Sendable {
    /// `typ`, as written.
    package let type: String?
    package let keyID: String?
    package let claims: [String: JSONValue]
    private let signingInput: Data
    private let signature: P256.Signing.ECDSASignature

    package static let algorithm = "ES256"
    package static let maximumBytes = Limits.Formats.tokenBytes

    /// - Parameter compact: three parts of canonical base64url; a header with `alg` ES256 and at most `kid` and `typ`.
    package init(parsing compact: String) throws(JWSError) {
        let bytes = compact.utf8.count
        guard bytes <= Self.maximumBytes else { throw .tooLarge(bytes: bytes) }
        let parts = compact.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3 else { throw .parts(parts.count) }
        let header = try Self.object(parts[0], "header")
        if let stranger = header.keys.sorted().first(where: { !["alg", "kid", "typ"].contains($0) }) {
            throw .headerParameter(stranger)
        }
        guard header["alg"] == .string(Self.algorithm) else { throw .algorithm(header["alg"]?.description ?? "absent") }
        keyID = try Self.text(header["kid"], "kid")
        type = try Self.text(header["typ"], "typ")
        claims = try Self.object(parts[1], "payload")
        signingInput = Data("\(parts[0]).\(parts[1])".utf8)
        guard let raw = Base64URL.decode(parts[2]),
            let signature = try? P256.Signing.ECDSASignature(rawRepresentation: raw)
        else { throw .malformed("signature") }
        self.signature = signature
    }

    package func isSigned(by key: P256.Signing.PublicKey) -> Bool {
        key.isValidSignature(signature, for: signingInput)
    }

    package static func sign(
        _ claims: [String: JSONValue],
        type: String,
        keyID: String,
        with key: P256.Signing.PrivateKey,
    ) throws -> String {
        let header: JSONValue = ["alg": .string(algorithm), "kid": .string(keyID), "typ": .string(type)]
        let input = [header, .object(claims)].map { Base64URL.encode($0.description.utf8) }.joined(separator: ".")
        let signature = try key.signature(for: Data(input.utf8))
        return input + "." + Base64URL.encode(signature.rawRepresentation)
    }

    private static func object(_ part: Substring, _ name: String) throws(JWSError) -> [String: JSONValue] {
        guard let bytes = Base64URL.decode(part) else { throw .malformed(name) }
        do {
            guard let object = try JSONValue(parsing: bytes).object else { throw JWSError.malformed(name) }
            return object
        } catch let error as JSONError { throw .json(error, in: name) } catch { throw .malformed(name) }
    }

    private static func text(_ value: JSONValue?, _ name: String) throws(JWSError) -> String? {
        guard let value else { return nil }
        guard let text = value.string else { throw .malformed(name) }
        return text
    }
}

/// Why a text is no JWS this product reads. Never holds the text itself: it may be a credential.
package enum JWSError: Error, Equatable, CustomStringConvertible {
    case tooLarge(bytes: Int)
    case parts(Int)
    case malformed(String)
    case json(JSONError, in: String)
    case headerParameter(String)
    case algorithm(String)

    package var description: String {
        switch self {
        case .tooLarge(let bytes): "the token has \(bytes) bytes, \(JWS.maximumBytes) are read"
        case .parts(let count): "the token has \(count) parts, a compact JWS has three (RFC 7515, section 7.1)"
        case .malformed(let part): "the token's \(part) is malformed; it was cut or altered on the way"
        case .json(let error, let part): "the token's \(part) is no strict JSON, \(error)"
        case .headerParameter(let name): "header parameter \"\(name)\" is not taken; sign with alg, kid and typ alone"
        case .algorithm(let found): "alg is \(found); sign with ES256, the one algorithm taken here"
        }
    }
}

extension P256.Signing.PublicKey {
    /// The key's JWK thumbprint, RFC 7638: the same key has the same `kid` everywhere.
    package var jwkThumbprint: String {
        let (x, y) = coordinates
        let canonical = #"{"crv":"P-256","kty":"EC","x":"\#(x)","y":"\#(y)"}"#
        return Base64URL.encode(SHA256.hash(data: Data(canonical.utf8)))
    }

    /// `x` and `y` of the JWK, base64url.
    package var coordinates: (x: String, y: String) {
        let raw = rawRepresentation
        return (Base64URL.encode(raw.prefix(32)), Base64URL.encode(raw.suffix(32)))
    }
}
