package import Crypto
package import Foundation
package import SPIFFE
import SwiftASN1
import X509

/// A fresh key and the PKCS #10 request that proves it. The key never leaves this process.
package struct CertificateRequest: Sendable {
    package let privateKey: P256.Signing.PrivateKey
    package let der: Data

    package init() throws {
        privateKey = P256.Signing.PrivateKey()
        let request = try CertificateSigningRequest(
            version: .v1,
            subject: DistinguishedName(),
            privateKey: Certificate.PrivateKey(privateKey),
            attributes: CertificateSigningRequest.Attributes(),
            signatureAlgorithm: .ecdsaWithSHA256,
        )
        var serializer = DER.Serializer()
        try serializer.serialize(request)
        der = Data(serializer.serializedBytes)
    }

    /// - Parameter chain: the answer's DER, leaf first.
    package func svid(from chain: [Data]) throws -> X509SVID {
        try X509SVID(chain: chain.map { try Certificate(derEncoded: Array($0)) }, privateKey: privateKey)
    }
}
