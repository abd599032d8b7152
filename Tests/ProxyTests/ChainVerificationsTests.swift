@testable import Proxy
import Dispatch
import Foundation
import Handshake
import Limits
import NIOSSL
import SPIFFE
import Synchronization
import Testing

@Suite("Chain verifications") struct ChainVerificationsTests {
    @Test func `no more are verified at once than may be, and all of them in the end`() async throws {
        let queue = try Queue(ChainVerifications())
        for _ in 0..<8 { queue.submit() }
        _ = try await eventually("the first ones") {
            queue.inside == Limits.CertificateChain.verificationsAtOnce ? true : nil
        }
        // If there were no bound, others would have begun by then.
        try await Task.sleep(for: .milliseconds(300))
        #expect(queue.most == Limits.CertificateChain.verificationsAtOnce)
        queue.open()
        _ = try await eventually("the others") { queue.verified == 8 ? true : nil }
        #expect(queue.most == Limits.CertificateChain.verificationsAtOnce)
    }

    @Test func `one whose connection has closed by then is not verified when its turn comes`() async throws {
        let verifications = ChainVerifications()
        let queue = try Queue(verifications)
        for _ in 0..<Limits.CertificateChain.verificationsAtOnce { queue.submit() }
        let isThere = Mutex(true)
        for _ in 0..<5 { queue.submit { isThere.withLock { $0 } } }
        isThere.withLock { $0 = false }
        queue.open()
        _ = try await eventually("all of them") { queue.refused == 5 ? true : nil }
        #expect(queue.verified == Limits.CertificateChain.verificationsAtOnce)
        #expect(queue.entered == Limits.CertificateChain.verificationsAtOnce)
        #expect(verifications.abandoned == 5)
    }

    @Test func `clients that leave while their chains wait cost nothing`() async throws {
        let hosts = try await TwoHosts()
        let verifications = hosts.server.proxy.environment.verifications
        let queue = try Queue(verifications)
        for _ in 0..<Limits.CertificateChain.verificationsAtOnce { queue.submit() }
        let wires = try await withThrowingTaskGroup(of: Wire.self) { group in
            for _ in 0..<5 {
                group.addTask { try await hosts.dialDirectly(as: hosts.authority.svid("weather-agent")) }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        _ = try await eventually("their chains") { verifications.waitingCount == 5 ? true : nil }
        for wire in wires { try await wire.reset() }
        _ = try await eventually("their ends") {
            hosts.server.journal.all.filter { $0.kind == .connectionInbound }.count == 5 ? true : nil
        }
        queue.open()
        _ = try await eventually("their turns") { verifications.abandoned == 5 ? true : nil }
    }
}

/// Verifications of one good chain that take until they are let go.
private final class Queue: Sendable {
    private struct State {
        var inside = 0
        var most = 0
        var entered = 0
        var verified = 0
        var refused = 0
    }

    private let verifications: ChainVerifications
    private let verifier: X509SVIDVerifier
    private let chain: [NIOSSLCertificate]
    private let state = Mutex(State())
    private let gate = DispatchSemaphore(value: 0)

    init(_ verifications: ChainVerifications) throws {
        let authority = try Authority("prod.example")
        self.verifications = verifications
        verifier = X509SVIDVerifier(bundles: BundleSet([authority.bundle]))
        chain = try authority.svid("somebody").chain.map { try NIOSSLCertificate(bytes: $0.derBytes(), format: .der) }
    }

    deinit { open() }

    var inside: Int { state.withLock { $0.inside } }
    var most: Int { state.withLock { $0.most } }
    var entered: Int { state.withLock { $0.entered } }
    var verified: Int { state.withLock { $0.verified } }
    var refused: Int { state.withLock { $0.refused } }

    func submit(isWanted: @escaping @Sendable () -> Bool = { true }) {
        verifications.verify(chain, by: verifier, at: { self.pass() }, isWanted: isWanted) { result in
            self.state.withLock { state in
                if case .success = result { state.verified += 1 } else { state.refused += 1 }
            }
        }
    }

    func open() { gate.signal() }

    private func pass() -> Date {
        state.withLock { state in
            state.inside += 1
            state.entered += 1
            state.most = max(state.most, state.inside)
        }
        gate.wait()
        gate.signal()
        state.withLock { $0.inside -= 1 }
        return Date()
    }
}
