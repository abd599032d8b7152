package import Foundation
import Crypto
import Limits
import SwiftASN1
import X509

/// The bundle as the Trust Domain and Bundle standard, section 4, wants it published.
extension TrustBundle {
    /// No bundle of a sane trust domain comes near; a bigger document is not read.
    package static let maximumDocumentBytes = Limits.Formats.bundleBytes

    /// `{"keys": […], "spiffe_sequence": n, "spiffe_refresh_hint": seconds}`, UTF-8 JSON.
    ///
    /// - Throws: ``BundleError/authorityKey(_:)`` for an authority whose key is not on a NIST curve.
    package func jwksDocument() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(BundleDocument(of: self))
    }

    /// Reads a published document of a trust domain that is known beforehand: the document does not name it.
    ///
    /// Keys of an unknown type or use, and entries without a usable key, are ignored; a bundle may end up empty,
    /// and then no SVID of its trust domain is valid.
    package init(trustDomain: TrustDomain, jwks: Data) throws(BundleError) {
        guard jwks.count <= Self.maximumDocumentBytes else { throw .tooLarge(bytes: jwks.count) }
        let document: BundleDocument
        do { document = try JSONDecoder().decode(BundleDocument.self, from: jwks) } catch {
            throw .malformed("\(error)")
        }
        try self.init(trustDomain: trustDomain, document: document)
    }

    private init(trustDomain: TrustDomain, document: BundleDocument) throws(BundleError) {
        self.init(
            trustDomain: trustDomain,
            x509Authorities: document.keys.compactMap(\.certificate),
            jwtAuthorities: try document.signingKeys(),
            sequence: document.sequence ?? 0,
            refreshHint: document.refreshHint.map { .seconds($0) } ?? Limits.SVID.bundleRefresh,
        )
    }
}

/// `{"trustDomain": "prod.example", "document": {"keys": …}}`: between our own programs, the name travels along.
extension TrustBundle: Codable {
    private enum CodingKeys: String, CodingKey {
        case trustDomain, document
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        try self.init(
            trustDomain: container.decode(TrustDomain.self, forKey: .trustDomain),
            document: container.decode(BundleDocument.self, forKey: .document),
        )
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(trustDomain, forKey: .trustDomain)
        try container.encode(BundleDocument(of: self), forKey: .document)
    }
}

private struct BundleDocument: Codable {
    var keys: [BundleKey]
    var sequence: UInt64?
    var refreshHint: Int64?

    enum CodingKeys: String, CodingKey {
        case keys
        case sequence = "spiffe_sequence"
        case refreshHint = "spiffe_refresh_hint"
    }

    init(of bundle: TrustBundle) throws(BundleError) {
        var keys: [BundleKey] = []
        for authority in bundle.x509Authorities { keys.append(try BundleKey(authority: authority)) }
        for (id, key) in bundle.jwtAuthorities.sorted(by: { $0.key < $1.key }) {
            keys.append(BundleKey(signingKey: key, id: id))
        }
        self.keys = keys
        sequence = bundle.sequence
        refreshHint = bundle.refreshHint.components.seconds
    }

    func signingKeys() throws(BundleError) -> [String: P256.Signing.PublicKey] {
        var found: [String: P256.Signing.PublicKey] = [:]
        for entry in keys {
            guard let (id, key) = entry.signingKey else { continue }
            guard found.updateValue(key, forKey: id) == nil else { throw .duplicateKeyID(id) }
        }
        return found
    }
}

/// One entry of `keys`. Members of another JSON type than expected read as absent, so that the entry is passed over.
private struct BundleKey: Codable {
    var use: String?
    var kty: String?
    var kid: String?
    var crv: String?
    var x: String?
    var y: String?
    var x5c: [String]?

    /// Uncompressed curve points by their length: the byte 4, then both coordinates.
    private static let curves = [65: "P-256", 97: "P-384", 133: "P-521"]

    init(authority: Certificate) throws(BundleError) {
        let point = authority.publicKey.subjectPublicKeyInfoBytes
        guard let curve = Self.curves[point.count], point.first == 4, let der = try? authority.derBytes() else {
            throw .authorityKey("\(authority.publicKey)")
        }
        use = "x509-svid"
        x5c = [Data(der).base64EncodedString()]
        set(point: point.dropFirst(), curve: curve)
    }

    init(signingKey: P256.Signing.PublicKey, id: String) {
        use = "jwt-svid"
        kid = id
        set(point: ArraySlice(signingKey.rawRepresentation), curve: "P-256")
    }

    private mutating func set(point: ArraySlice<UInt8>, curve: String) {
        kty = "EC"
        crv = curve
        x = Base64URL.encode(point.prefix(point.count / 2))
        y = Base64URL.encode(point.suffix(point.count / 2))
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        func text(_ key: CodingKeys) -> String? { try? container.decode(String.self, forKey: key) }
        use = text(.use)
        kty = text(.kty)
        kid = text(.kid)
        crv = text(.crv)
        x = text(.x)
        y = text(.y)
        x5c = try? container.decode([String].self, forKey: .x5c)
    }

    /// The first of `x5c`, X509-SVID standard, section 6.2; nil for an authority this product could not publish again.
    var certificate: Certificate? {
        guard use == "x509-svid", kty == "EC", let first = x5c?.first, let der = Data(base64Encoded: first),
            let certificate = try? Certificate(derEncoded: Array(der)),
            Self.curves[certificate.publicKey.subjectPublicKeyInfoBytes.count] != nil
        else { return nil }
        return certificate
    }

    var signingKey: (String, P256.Signing.PublicKey)? {
        guard use == "jwt-svid", kty == "EC", crv == "P-256", let kid, !kid.isEmpty,
            let x = x.flatMap(Base64URL.decode), let y = y.flatMap(Base64URL.decode), x.count == 32, y.count == 32,
            let key = try? P256.Signing.PublicKey(rawRepresentation: x + y)
        else { return nil }
        return (kid, key)
    }
}
