package import Foundation
package import SPIFFE

/// One HTTP request to the authorization server, read whole.
package struct OAuthRequest: Sendable {
    package var method: String
    /// Below the issuer's path, such as `/token`.
    package var path: String
    package var contentType: String?
    /// The `Authorization` header. Headers that claim to carry a certificate have no way in.
    package var authorization: String?
    package var body: Data
    /// Whom the TLS connection's own client certificate proves.
    package var client: CertificateIdentity?

    package init(
        method: String, path: String, contentType: String? = nil, authorization: String? = nil, body: Data = Data(),
        client: CertificateIdentity? = nil,
    ) {
        self.method = method
        self.path = path
        self.contentType = contentType
        self.authorization = authorization
        self.body = body
        self.client = client
    }

    /// Whether the content type is this one, whatever its parameters.
    func has(contentType expected: String) -> Bool {
        let type = contentType?.prefix { $0 != ";" } ?? ""
        return type.trimmingCharacters(in: .whitespaces).lowercased() == expected
    }
}

/// An X.509-SVID that the TLS layer verified against the bundle of its own trust domain.
package struct CertificateIdentity: Sendable, Equatable {
    package var spiffeID: SPIFFEID
    package var thumbprint: CertificateThumbprint
    /// Lower-case hexadecimal.
    package var serialNumber: String
    package var notAfter: Date
    package var issuedAt: IssueTime

    package init(
        spiffeID: SPIFFEID, thumbprint: CertificateThumbprint, serialNumber: String, notAfter: Date, issuedAt: IssueTime,
    ) {
        self.spiffeID = spiffeID
        self.thumbprint = thumbprint
        self.serialNumber = serialNumber
        self.notAfter = notAfter
        self.issuedAt = issuedAt
    }
}
