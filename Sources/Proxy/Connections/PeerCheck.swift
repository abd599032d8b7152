import Foundation
import Handshake
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
    let issuedAt: IssueTime
    /// Why policy let it through.
    let because: String

    var asFarEnd: PeerRule.FarEnd { .peer(id, issuedAt: issuedAt) }
}

/// One handshake's judgement of the peer: chain to its trust domain's bundle, SPIFFE leaf profile, then policy.
final class PeerCheck: Sendable {
    enum Outcome: Sendable {
        case pending
        case accepted(PeerIdentity)
        case refused(ProxyError)
    }

    private let verifier: X509SVIDVerifier
    private let verifications: ChainVerifications
    private let rule: PeerRule
    private let state = Mutex(Outcome.pending)
    private let isWanted = Atomic(true)

    init(bundles: BundleSet, verifications: ChainVerifications, rule: PeerRule) {
        verifier = X509SVIDVerifier(bundles: bundles)
        self.verifications = verifications
        self.rule = rule
    }

    /// NIOSSL's callback: replaces BoringSSL's own verification.
    func verify(_ presented: [NIOSSLCertificate], _ promise: EventLoopPromise<NIOSSLVerificationResult>) {
        verifications.verify(
            presented, by: verifier, at: { Date() }, isWanted: { self.isWanted.load(ordering: .relaxed) },
        ) { verified in
            let outcome = self.judge(verified)
            self.state.withLock { $0 = outcome }
            // Fail closed: also on anything that could not be parsed.
            if case .accepted = outcome { promise.succeed(.certificateVerified) } else { promise.succeed(.failed) }
        }
    }

    /// The connection is closed: what waits for it is not looked at any more.
    func abandon() { isWanted.store(false, ordering: .relaxed) }

    /// What the handshake's end means.
    ///
    /// - Parameter failure: what the TLS handler reported, if it failed.
    func result(_ failure: (any Error)?) throws(ProxyError) -> PeerIdentity {
        switch state.withLock({ $0 }) {
        case .refused(let error): throw error
        case .accepted(let peer) where failure == nil: return peer
        case .accepted, .pending: throw Self.explain(failure)
        }
    }

    private func judge(_ verified: Result<VerifiedPeer, SVIDError>) -> Outcome {
        do {
            let (id, leaf) = try verified.map { ($0.id, $0.leaf) }.get()
            let issuedAt = IssueTime(of: leaf)
            let decision = rule.decision(on: .peer(id, issuedAt: issuedAt))
            if let cause = decision.refusal { return .refused(.peerRefused(cause)) }
            return .accepted(
                PeerIdentity(
                    id: id, thumbprint: try CertificateThumbprint(of: leaf), serial: leaf.serialNumber.hexadecimal,
                    issuedAt: issuedAt, because: decision.reason,
                ))
        } catch {
            return .refused(.peerUnproved("\(error)"))
        }
    }

    private static func explain(_ failure: (any Error)?) -> ProxyError {
        switch failure {
        case let error as ProxyError: return error
        case .none: return .handshake("it ended before the peer was checked")
        case .some(let error):
            let text = "\(error)"
            if text.contains("PEER_DID_NOT_RETURN_A_CERTIFICATE") { return .peerUnproved("\(SVIDError.chainEmpty)") }
            if text.contains("UNSUPPORTED_PROTOCOL") || text.contains("TLSV1_ALERT_PROTOCOL_VERSION") {
                return .handshake("the peer does not offer TLS 1.3, the only version spoken here")
            }
            return .handshake(text)
        }
    }
}
