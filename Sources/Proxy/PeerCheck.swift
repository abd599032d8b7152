import Foundation
import NIOCore
import NIOSSL
import SPIFFE
import SwiftASN1
import Synchronization
import X509

/// Who is at the other end, proved by its certificate and key.
struct PeerIdentity: Sendable, Equatable {
    let id: SPIFFEID
    let thumbprint: CertificateThumbprint
    /// Lower-case hexadecimal.
    let serial: String
    /// Why policy let it through.
    let because: String
}

/// One handshake's judgement of the peer: chain to its trust domain's bundle, SPIFFE leaf profile, then policy.
final class PeerCheck: Sendable {
    enum Outcome: Sendable {
        case pending
        case accepted(PeerIdentity)
        case refused(String)
    }

    private let verifier: X509SVIDVerifier
    private let decide: @Sendable (SPIFFEID) -> PeerPolicy.Decision
    private let state = Mutex(Outcome.pending)

    init(bundles: BundleSet, decide: @escaping @Sendable (SPIFFEID) -> PeerPolicy.Decision) {
        verifier = X509SVIDVerifier(bundles: bundles)
        self.decide = decide
    }

    /// NIOSSL's callback: replaces BoringSSL's own verification.
    func verify(_ presented: [NIOSSLCertificate], _ promise: EventLoopPromise<NIOSSLVerificationResult>) {
        promise.completeWithTask {
            let outcome = await self.judge(presented)
            self.state.withLock { $0 = outcome }
            if case .accepted = outcome { return .certificateVerified }
            return .failed  // Fail closed: also on anything that could not be parsed.
        }
    }

    /// What the handshake's end means.
    ///
    /// - Parameter failure: what the TLS handler reported, if it failed.
    func result(_ failure: (any Error)?) throws(ProxyError) -> PeerIdentity {
        switch state.withLock({ $0 }) {
        case .refused(let reason): throw .peerRefused(reason)
        case .accepted(let peer) where failure == nil: return peer
        case .accepted, .pending: throw Self.explain(failure)
        }
    }

    private func judge(_ presented: [NIOSSLCertificate]) async -> Outcome {
        do {
            let chain = try presented.map { try Certificate(derEncoded: $0.toDERBytes()) }
            let id = try await verifier.verify(chain, at: Date())
            guard let leaf = chain.first else { throw SVIDError.chainEmpty }
            let decision = decide(id)
            guard decision.isAllowed else { return .refused(decision.reason) }
            return .accepted(
                PeerIdentity(
                    id: id, thumbprint: try CertificateThumbprint(of: leaf), serial: leaf.serialNumber.hexadecimal,
                    because: decision.reason,
                ))
        } catch {
            return .refused("\(error)")
        }
    }

    private static func explain(_ failure: (any Error)?) -> ProxyError {
        switch failure {
        case let error as ProxyError: return error
        case .none: return .handshake("it ended before the peer was checked")
        case .some(let error):
            let text = "\(error)"
            if text.contains("PEER_DID_NOT_RETURN_A_CERTIFICATE") { return .peerRefused("\(SVIDError.chainEmpty)") }
            if text.contains("UNSUPPORTED_PROTOCOL") || text.contains("TLSV1_ALERT_PROTOCOL_VERSION") {
                return .handshake("the peer does not offer TLS 1.3, the only version spoken here")
            }
            return .handshake(text)
        }
    }
}
