import Dispatch
package import Foundation
import Limits
package import NIOSSL
package import SPIFFE
import Synchronization

/// Where the certificate chains of peers are verified: a few at once, on threads of their own, in the order they came.
///
/// What a stranger sends is work for nobody else: event loops and the cooperative pool go on. What is too long is
/// refused before it waits; a connection that closed while it waited costs nothing. One for a process.
package final class ChainVerifications: Sendable {
    private struct Job {
        let isWanted: @Sendable () -> Bool
        let verify: @Sendable () -> Result<VerifiedPeer, SVIDError>
        let done: @Sendable (Result<VerifiedPeer, SVIDError>) -> Void

    }

    private struct Waiting {
        var running = 0
        var abandoned = 0
        var jobs: [Job] = []
        var head = 0

        mutating func next() -> Job? {
            guard head < jobs.count else { return nil }
            let job = jobs[head]
            head += 1
            if head == jobs.count { (jobs, head) = ([], 0) }
            return job
        }
    }

    private let atOnce: Int
    private let threads = DispatchQueue(label: "tidemark.chains", qos: .utility, attributes: .concurrent)
    private let waiting = Mutex(Waiting())

    package init(atOnce: Int = Limits.CertificateChain.verificationsAtOnce) {
        self.atOnce = atOnce
    }

    /// How many wait for their turn.
    package var waitingCount: Int { waiting.withLock { $0.jobs.count - $0.head } }
    /// How many were not verified, as their connection had closed by then.
    package var abandoned: Int { waiting.withLock { $0.abandoned } }

    /// - Parameters:
    ///   - presented: leaf first, as NIOSSL has it; on the connection's event loop.
    ///   - isWanted: whether the connection is still there; asked when its turn comes.
    ///   - done: called once, on any thread.
    package func verify(
        _ presented: [NIOSSLCertificate], by verifier: X509SVIDVerifier, at now: @escaping @Sendable () -> Date,
        isWanted: @escaping @Sendable () -> Bool, done: @escaping @Sendable (Result<VerifiedPeer, SVIDError>) -> Void,
    ) {
        let chain: [[UInt8]]
        do throws(SVIDError) { chain = try Self.der(presented) } catch { return done(.failure(error)) }
        submit(
            Job(
                isWanted: isWanted,
                verify: { Result { () throws(SVIDError) in try verifier.verify(der: chain, at: now()) } },
                done: done,
            ))
    }

    /// Counts first: a chain that is too long is not even copied.
    private static func der(_ presented: [NIOSSLCertificate]) throws(SVIDError) -> [[UInt8]] {
        try X509SVIDVerifier.checkBounds(count: presented.count, bytes: 0)
        var chain: [[UInt8]] = []
        for certificate in presented {
            do { chain.append(try certificate.toDERBytes()) } catch { throw .malformed("encoding") }
        }
        try X509SVIDVerifier.checkBounds(count: chain.count, bytes: chain.reduce(0) { $0 + $1.count })
        return chain
    }

    private func submit(_ job: Job) {
        let starts = waiting.withLock { waiting in
            waiting.jobs.append(job)
            guard waiting.running < atOnce else { return false }
            waiting.running += 1
            return true
        }
        if starts { threads.async { self.work() } }
    }

    private func abandon(_ job: Job) {
        waiting.withLock { $0.abandoned += 1 }
        job.done(.failure(.abandoned))
    }

    private func work() {
        while true {
            let job = waiting.withLock { waiting in
                let next = waiting.next()
                if next == nil { waiting.running -= 1 }
                return next
            }
            guard let job else { return }
            if job.isWanted() { job.done(job.verify()) } else { abandon(job) }
        }
    }
}
