package import Crypto
package import Foundation
import Limits
package import X509

/// A workload's certificate chain with the key it proves possession of.
///
/// The key exists in memory only; the type has no encoding on purpose.
/// X509-SVID standard, sections 2 to 4.
package struct X509SVID: Sendable {
    package let id: SPIFFEID
    /// Leaf first, then intermediates; the root is not sent.
    package let chain: [Certificate]
    package let privateKey: P256.Signing.PrivateKey
    package let thumbprint: CertificateThumbprint

    /// - Throws: ``SVIDError`` when the leaf breaks the standard or its key is not `privateKey`'s.
    package init(chain: [Certificate], privateKey: P256.Signing.PrivateKey) throws {
        guard let leaf = chain.first else { throw SVIDError.chainEmpty }
        guard leaf.publicKey == Certificate.PublicKey(privateKey.publicKey) else { throw SVIDError.keyMismatch }
        self.id = try LeafProfile.identity(of: leaf)
        self.chain = chain
        self.privateKey = privateKey
        self.thumbprint = try CertificateThumbprint(of: leaf)
    }

    package var leaf: Certificate { chain[0] }
    package var notBefore: Date { leaf.notValidBefore }
    package var notAfter: Date { leaf.notValidAfter }
    /// Lower-case hexadecimal, as in the audit.
    package var serialNumber: String { leaf.serialNumber.hexadecimal }

    /// When it was issued. `notBefore` is earlier, for clocks that are behind: that is no age.
    package var issuedAt: Date {
        let whole = notAfter.timeIntervalSince(notBefore)
        return notBefore.addingTimeInterval(min(Limits.SVID.backdating / .seconds(1), whole * 3 / 4))
    }

    /// When to ask for the next one: the middle of its life.
    package var halfLife: Date { issuedAt.addingTimeInterval(notAfter.timeIntervalSince(issuedAt) / 2) }
}

extension Certificate.SerialNumber {
    /// Lower-case hexadecimal without separators, two digits a byte.
    package var hexadecimal: String {
        bytes.map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
    }
}
