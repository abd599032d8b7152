import Crypto
import Foundation
import Handshake
import Limits
import NIOCore
import NIOSSL
import SPIFFE
import Synchronization
import X509

/// TLS 1.3 with an SVID, as client and as server; made once for each SVID.
///
/// No server name is sent, so nothing in clear names a workload. The certificate check is ``PeerCheck``'s: BoringSSL
/// asks for a certificate and proves possession of its key, and never looks at the system's roots.
final class TLSContexts: Sendable {
    struct Pair: Sendable {
        let client: NIOSSLContext
        let server: NIOSSLContext
        let notAfter: Date
    }

    /// Marks Tidemark's own connections; peers without it are welcome.
    static let applicationProtocol = "tidemark/1"

    private let pairs = Mutex<[CertificateThumbprint: Pair]>([:])

    func pair(for svid: X509SVID) throws -> Pair {
        if let known = pairs.withLock({ $0[svid.thumbprint] }) { return known }
        let made = try Self.make(svid)
        return pairs.withLock { pairs in
            let now = Date()
            pairs = pairs.filter { $0.value.notAfter > now }
            pairs[svid.thumbprint] = made
            return made
        }
    }

    private static func make(_ svid: X509SVID) throws -> Pair {
        let chain = try svid.chain.map { certificate in
            NIOSSLCertificateSource.certificate(try NIOSSLCertificate(bytes: certificate.derBytes(), format: .der))
        }
        let key = try NIOSSLPrivateKey(bytes: Array(svid.privateKey.derRepresentation), format: .der)
        var server = TLSConfiguration.makeServerConfiguration(certificateChain: chain, privateKey: .privateKey(key))
        var client = TLSConfiguration.makeClientConfiguration()
        client.certificateChain = chain
        client.privateKey = .privateKey(key)
        harden(&server)
        harden(&client)
        return Pair(
            client: try SessionTickets.context(client), server: try SessionTickets.context(server),
            notAfter: svid.notAfter,
        )
    }

    private static func harden(_ configuration: inout TLSConfiguration) {
        configuration.minimumTLSVersion = .tlsv13
        configuration.maximumTLSVersion = .tlsv13
        configuration.certificateVerification = .noHostnameVerification
        configuration.trustRoots = .certificates([])
        configuration.applicationProtocols = [applicationProtocol]
        configuration.shutdownTimeout = .init(Limits.Connection.closing)
    }
}
