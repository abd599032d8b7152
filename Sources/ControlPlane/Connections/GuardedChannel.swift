import Foundation
import Handshake
import HummingbirdCore
import Limits
import Logging
import NIOCore
import NIOHTTP1
import NIOSSL
import SPIFFE
import SwiftASN1
import Synchronization
import X509

/// A listener's connections, from accept on: a place at the door, TLS where there is any, HTTP/1.1, and deadlines.
///
/// A client certificate is optional; one that is presented has to verify, or the handshake fails.
struct GuardedChannel: HTTPChannelHandler {
    let http: HTTP1Channel
    let door: ConnectionDoor
    let deadlines: ConnectionDeadlines
    /// Whatever certificate is current when a connection comes in; nil on the operator's socket.
    let certificate: ServerCertificate?

    var responder: HTTPChannelHandler.Responder { http.responder }

    init(
        responder: @escaping HTTPChannelHandler.Responder, door: ConnectionDoor, deadlines: ConnectionDeadlines,
        certificate: ServerCertificate?,
    ) {
        http = HTTP1Channel(responder: responder, configuration: .controlPlane)
        self.door = door
        self.deadlines = deadlines
        self.certificate = certificate
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<HTTP1Channel.Value> {
        channel.eventLoop.makeCompletedFuture { try admit(channel) }.flatMap { [self] ticket in
            // On the channel's event loop, in one go: nothing is read in between.
            channel.eventLoop.makeCompletedFuture { try addGuard(to: channel, ticket) }
                .flatMap { watch in
                    http.setup(channel: channel, logger: logger).flatMapThrowing { value in
                        let operations = channel.pipeline.syncOperations
                        let parser = try operations.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
                        try operations.addHandler(ConnectionGuard.Parts(watch.value), position: .after(parser))
                        return value
                    }
                }
        }.flatMapErrorThrowing { error in
            // Nobody else closes what was not set up: it would stay open, at no place and without a deadline.
            channel.close(promise: nil)
            throw error
        }
    }

    func handle(value: HTTP1Channel.Value, logger: Logger) async {
        await http.handle(value: value, logger: logger)
    }

    // MARK: The door

    private func admit(_ channel: any Channel) throws -> ConnectionDoor.Ticket {
        let cut: @Sendable () -> Void = { channel.eventLoop.execute { Self.cut(channel) } }
        let ticket =
            certificate == nil
            ? try door.admit(.operators, cut: cut)
            : try door.admit(strangerFrom: .init(channel.remoteAddress), cut: cut)
        channel.closeFuture.whenComplete { [door] _ in door.release(ticket) }
        return ticket
    }

    /// From in front of TLS, which would first say goodbye to somebody who does not listen.
    private static func cut(_ channel: any Channel) {
        guard let front = try? channel.pipeline.syncOperations.context(handlerType: ConnectionGuard.Front.self) else {
            return channel.close(promise: nil)
        }
        front.close(promise: nil)
    }

    private func addGuard(
        to channel: any Channel, _ ticket: ConnectionDoor.Ticket,
    ) throws -> NIOLoopBound<ConnectionGuard> {
        let operations = channel.pipeline.syncOperations
        let watch = ConnectionGuard(
            deadlines, startsWith: certificate == nil ? .head(kept: false) : .handshake, on: channel.eventLoop,
        ) {
            Self.cut(channel)
        }
        try operations.addHandler(ConnectionGuard.Front { [door] in door.heard(ticket) })
        let verified = VerifiedID()
        if let certificate {
            try operations.addHandler(Self.tls(certificate, channel, verified, door))
        } else {
            watch.isProven = true
        }
        let source = ConnectionDoor.Source(channel.remoteAddress)
        try operations.addHandler(
            ConnectionGuard.Bytes(watch, recognize: { [door] in door.recognize(ticket) }) { [door] in
                guard let id = verified.current else { return true }
                watch.isProven = true
                return door.vouch(ticket, for: .init(id, from: source)) == nil
            })
        return NIOLoopBound(watch, eventLoop: channel.eventLoop)
    }

    // MARK: TLS

    /// Whom the handshake's certificate names, once it is verified.
    private final class VerifiedID: Sendable {
        private let id = Mutex<SPIFFEID?>(nil)

        var current: SPIFFEID? { id.withLock { $0 } }

        func set(_ verified: SPIFFEID) { id.withLock { $0 = verified } }
    }

    private static func tls(
        _ certificate: ServerCertificate, _ channel: any Channel, _ verified: VerifiedID,
        _ door: ConnectionDoor,
    ) -> NIOSSLServerHandler {
        let (verifier, verifications) = (certificate.verifier, certificate.verifications)
        return NIOSSLServerHandler(
            context: certificate.context(),
            customVerificationCallbackWithMetadata: { presented, verdict in
                verifications.verify(presented, by: verifier, at: { Date() }, isWanted: { channel.isActive }) {
                    verdict.succeed(Self.answer(to: presented, $0, verified, door))
                }
            },
        )
    }

    private static func answer(
        to presented: [NIOSSLCertificate], _ outcome: Result<VerifiedPeer, SVIDError>, _ verified: VerifiedID,
        _ door: ConnectionDoor,
    ) -> NIOSSLVerificationResultWithMetadata {
        switch outcome {
        case .success(let peer):
            verified.set(peer.id)
            return .certificateVerified(VerificationMetadata(ValidatedCertificateChain(presented)))
        case .failure(let error):
            // Fail closed: a certificate that does not verify is worse than none.
            door.tell(refusedCertificate: error)
            return .failed
        }
    }
}

extension ConnectionDoor.Holder {
    /// Whose place a proven connection takes.
    fileprivate init(_ id: SPIFFEID, from source: ConnectionDoor.Source) {
        self = id.isAgent ? .agent(id) : .workloads(of: source)
    }
}

extension HTTP1Channel.Configuration {
    /// Small headers; how long a connection may be kept is ``ConnectionGuard``'s.
    static var controlPlane: Self {
        Self(
            idleTimeout: nil,
            httpDecoderConfiguration: .init(
                maxHeaderFieldSize: Limits.Request.fieldBytes, maxHeaderListSize: Limits.Request.fieldsBytes,
                maxHeaderFieldCount: Limits.Request.fields),
        )
    }
}
