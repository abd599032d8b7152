import HummingbirdCore
import Logging
import NIOCore
import NIOSSL
import SPIFFE
import SwiftASN1
import X509
import Foundation

/// TLS in front of HTTP/1.1, with whatever certificate is current when a connection comes in.
///
/// A client certificate is optional; one that is presented has to verify, or the handshake fails.
struct RotatingTLSChannel: HTTPChannelHandler {
    let http: HTTP1Channel
    let certificate: ServerCertificate

    var responder: HTTPChannelHandler.Responder { http.responder }

    init(responder: @escaping HTTPChannelHandler.Responder, certificate: ServerCertificate) {
        http = HTTP1Channel(responder: responder, configuration: .controlPlane)
        self.certificate = certificate
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<HTTP1Channel.Value> {
        let verifier = certificate.verifier
        return channel.eventLoop.makeCompletedFuture {
            let handler = NIOSSLServerHandler(
                context: certificate.context(),
                customVerificationCallbackWithMetadata: { presented, verdict in
                    verdict.completeWithTask { await Self.verify(presented, by: verifier, logger: logger) }
                },
            )
            try channel.pipeline.syncOperations.addHandler(handler)
        }.flatMap {
            http.setup(channel: channel, logger: logger)
        }
    }

    func handle(value: HTTP1Channel.Value, logger: Logger) async {
        await http.handle(value: value, logger: logger)
    }

    private static func verify(
        _ presented: [NIOSSLCertificate], by verifier: X509SVIDVerifier, logger: Logger,
    ) async -> NIOSSLVerificationResultWithMetadata {
        do {
            let chain = try presented.map { try Certificate(derEncoded: $0.toDERBytes()) }
            _ = try await verifier.verify(chain, at: Date())
            return .certificateVerified(VerificationMetadata(ValidatedCertificateChain(presented)))
        } catch {
            // Fail closed: a certificate that does not verify is worse than none.
            logger.info("a client certificate was refused: \(error)")
            return .failed
        }
    }
}

extension HTTP1Channel.Configuration {
    /// Small headers, and no connection kept that does nothing for a minute.
    static var controlPlane: Self {
        Self(
            idleTimeout: .seconds(60),
            httpDecoderConfiguration: .init(
                maxHeaderFieldSize: 8 << 10, maxHeaderListSize: 32 << 10, maxHeaderFieldCount: 64),
        )
    }
}
