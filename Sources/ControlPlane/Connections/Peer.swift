package import Foundation
import NIOCore
import NIOSSL
package import SPIFFE
import SwiftASN1
package import X509

/// Who is on the other end of a TLS connection, proven by the validated certificate chain and by nothing else.
package struct Peer: Sendable {
    package let id: SPIFFEID
    package let leaf: Certificate

    package var notAfter: Date { leaf.notValidAfter }

    /// - Returns: nil where the peer presented no certificate.
    static func onConnection(_ channel: any Channel) async throws(ControlPlaneRefusal) -> Peer? {
        do {
            let validated = try await channel.nioSSL_peerValidatedCertificateChain().get()
            guard let presented = validated?.first else { return nil }
            let leaf = try Certificate(derEncoded: presented.toDERBytes())
            return Peer(id: try LeafProfile.identity(of: leaf), leaf: leaf)
        } catch {
            throw .unforeseen("the peer's certificate cannot be read: \(error)")
        }
    }
}
