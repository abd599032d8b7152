import Crypto
import Foundation
import Handshake
import Issuer
import Limits
import Logging
import NIOSSL
import SPIFFE
import ServiceLifecycle
import SwiftASN1
import Synchronization
import X509

/// The HTTPS listener's own SVID, renewed in memory at half of its life. Its key is never written.
final class ServerCertificate: Service {
    /// For client certificates.
    let verifier: X509SVIDVerifier
    let verifications = ChainVerifications()
    private let state: ControlPlaneState
    private let logger: Logger
    private let current: Mutex<Current>

    private struct Current {
        var context: NIOSSLContext
        var halfLife: Date
    }

    init(state: ControlPlaneState, logger: Logger) throws {
        self.state = state
        self.logger = logger
        verifier = X509SVIDVerifier(bundles: BundleSet([state.bundle]))
        current = Mutex(try Self.issue(state))
    }

    /// What a connection that comes in now uses.
    func context() -> NIOSSLContext { current.withLock { $0.context } }

    func run() async throws {
        while !Task.isShuttingDownGracefully {
            let wait = max(1, current.withLock { $0.halfLife }.timeIntervalSince(state.now()))
            do { try await cancelWhenGracefulShutdown { try await Task.sleep(for: .seconds(wait)) } } catch { return }
            do {
                let next = try Self.issue(state)
                current.withLock { $0 = next }
                logger.info("the server's certificate was renewed")
            } catch {
                logger.error("the server's certificate was not renewed: \(error)")
                try? await cancelWhenGracefulShutdown { try await Task.sleep(for: Limits.SVID.retry) }
            }
        }
    }

    private static func issue(_ state: ControlPlaneState) throws -> Current {
        let key = P256.Signing.PrivateKey()
        let request = try CertificateSigningRequest(
            version: .v1, subject: DistinguishedName(), privateKey: Certificate.PrivateKey(key),
            attributes: CertificateSigningRequest.Attributes(), signatureAlgorithm: .ecdsaWithSHA256)
        var serializer = DER.Serializer()
        try serializer.serialize(request)
        let names = state.configuration.hostNames
        let chain = try state.authority.issueX509SVID(
            for: state.serverID,
            request: SigningRequest(der: Data(serializer.serializedBytes)),
            lifetime: state.configuration.agentSVIDLifetime,
            now: state.now(),
            dnsNames: names.filter { !$0.isIPAddress },
            ipAddresses: names.filter(\.isIPAddress),
        )
        let svid = try X509SVID(chain: chain, privateKey: key)
        return Current(context: try SessionTickets.context(tls(svid, state.bundle)), halfLife: svid.halfLife)
    }

    private static func tls(_ svid: X509SVID, _ bundle: TrustBundle) throws -> TLSConfiguration {
        let key = Array(svid.privateKey.derRepresentation)
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: try svid.chain.map {
                .certificate(try NIOSSLCertificate(bytes: $0.derBytes(), format: .der))
            },
            privateKey: .privateKey(try NIOSSLPrivateKey(bytes: key, format: .der)),
        )
        configuration.minimumTLSVersion = .tlsv13
        configuration.applicationProtocols = ["http/1.1"]
        configuration.certificateVerification = .optionalVerification
        configuration.trustRoots = .certificates(
            try bundle.x509Authorities.map { try NIOSSLCertificate(bytes: $0.derBytes(), format: .der) })
        return configuration
    }
}

extension String {
    /// Whether this is an address, to be checked as such in a certificate, and no DNS name.
    var isIPAddress: Bool {
        contains(":") || (split(separator: ".").count == 4 && allSatisfy { $0.isNumber || $0 == "." })
    }
}
