package import Foundation
import Crypto
import Limits
import SwiftASN1
package import X509

/// A PKCS #10 request whose sender proved to hold the key. Its names and extensions are not looked at.
package struct SigningRequest: Sendable {
    package let publicKey: Certificate.PublicKey

    /// A P-256 request has some 300 bytes.
    package static let maximumBytes = Limits.Formats.signingRequestBytes

    /// - Parameter der: RFC 2986, with a P-256 key and signed by it.
    package init(der: Data) throws(IssuerError) {
        guard der.count <= Self.maximumBytes else { throw .requestTooLarge(bytes: der.count) }
        let request: CertificateSigningRequest
        do { request = try CertificateSigningRequest(derEncoded: Array(der)) } catch {
            throw .requestMalformed("\(error)")
        }
        guard P256.Signing.PublicKey(request.publicKey) != nil else { throw .requestKey("\(request.publicKey)") }
        guard request.publicKey.isValidSignature(request.signature, for: request) else { throw .requestUnproven }
        publicKey = request.publicKey
    }
}
