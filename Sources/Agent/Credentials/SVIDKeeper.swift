package import ControlPlaneAPI
import Foundation
import Limits
package import Logging
import Proxy
package import SPIFFE
import Synchronization
package import Workloads

/// Keeps the X.509-SVIDs of this host's workloads fresh: fetched when first needed, renewed at half life.
package actor SVIDKeeper: SVIDSource {
    private let link: ControlPlaneLink
    private let policy: PolicyBoard
    private let evidence: @Sendable (ProcessKey) -> ProcessEvidence?
    private let logger: Logger
    /// How long a connection waits for a first SVID.
    private let patience: Duration
    /// How many identities have one at a time.
    private var shares: SVIDShares
    private var states: [SPIFFEID: SVIDState] = [:]
    /// When a connection or a process last asked.
    private var wantedAt: [SPIFFEID: Date] = [:]
    private var requests: [SPIFFEID: Task<X509SVID, any Error>] = [:]

    package init(
        link: ControlPlaneLink,
        policy: PolicyBoard,
        patience: Duration = Limits.Wait.svid,
        most: Int = Limits.Identities.svids,
        evidence: @escaping @Sendable (ProcessKey) -> ProcessEvidence?,
        logger: Logger,
    ) {
        self.link = link
        self.policy = policy
        self.patience = patience
        shares = SVIDShares(limit: most)
        self.evidence = evidence
        self.logger = logger
    }

    package var count: Int { states.values.count { $0.usable(at: Date()) != nil } }

    package nonisolated func bundles() -> BundleSet { policy.current.bundles }

    package func svid(for workload: SPIFFEID, process: ProcessKey?) async throws -> X509SVID {
        guard policy.current.owns(workload) else { throw AgentError.identityUnknown(workload) }
        let now = Date()
        // Whoever may be any uid, or run any program, makes an identity of a template by each.
        guard wantedAt[workload] != nil || shares.take(workload, for: owner(of: workload, process)) else {
            throw AgentError.svidUnavailable(
                workload,
                reason:
                    "its template's identities of this user have as many as are left for others; some have to end first"
            )
        }
        wantedAt[workload] = now
        if let state = states[workload] {
            if let svid = state.usable(at: now), policy.current.objection(toOwn: svid) == nil { return svid }
            if case .lost(_, let retryAt, let reason) = state, retryAt > now {
                throw AgentError.svidUnavailable(workload, reason: reason)
            }
        }
        return try await bounded(request(workload, process: process), for: workload)
    }

    private func owner(of workload: SPIFFEID, _ process: ProcessKey?) -> SVIDShares.Owner? {
        guard let template = policy.current.template(of: workload) else { return nil }
        return .init(template: template, user: process.flatMap(evidence)?.uid)
    }

    /// Renews what is due, until cancelled.
    package func run() async {
        while (try? await Task.sleep(for: Limits.SVID.look)) != nil {
            let now = Date()
            for (workload, state) in states where state.due <= now {
                if isWanted(workload, state) {
                    _ = request(workload, process: nil)
                } else if state.usable(at: now) == nil {
                    forget(workload)
                }
            }
        }
    }

    /// Whether anybody here uses it: something listens as it, or it was asked for in this SVID's life. A process that asks
    /// later waits for one round trip.
    private func isWanted(_ workload: SPIFFEID, _ state: SVIDState) -> Bool {
        if policy.current.listens(workload) { return true }
        guard let issued = state.svid?.issuedAt, let wanted = wantedAt[workload] else { return false }
        return wanted >= issued
    }

    private func forget(_ workload: SPIFFEID) {
        states[workload] = nil
        wantedAt[workload] = nil
        shares.giveBack(workload)
        Task { [link] in await link.forgetClients(of: [workload]) }
    }

    /// Forgets the identities that are no longer this agent's, and SVIDs that were withdrawn: who needs one waits for another.
    package func follow(_ policy: EnforcedPolicy) {
        let former = Set(states.keys)
        states = states.filter { workload, state in
            policy.identity(of: workload) != nil && state.svid.flatMap { policy.objection(toOwn: $0) } == nil
        }
        for workload in wantedAt.keys where policy.identity(of: workload) == nil {
            wantedAt[workload] = nil
            shares.giveBack(workload)
        }
        let ended = former.subtracting(states.keys)
        // Not waited for: calls of theirs may be under way.
        if !ended.isEmpty { Task { [link] in await link.forgetClients(of: ended) } }
    }

    /// One request a workload at a time, however many connections wait for it.
    private func request(_ workload: SPIFFEID, process: ProcessKey?) -> Task<X509SVID, any Error> {
        if let running = requests[workload] { return running }
        let task = Task { try await self.fetch(workload, process: process) }
        requests[workload] = task
        return task
    }

    private func fetch(_ workload: SPIFFEID, process: ProcessKey?) async throws -> X509SVID {
        defer { requests[workload] = nil }
        do {
            let request = try CertificateRequest()
            let answer = try await link.agentClient().x509SVID(
                X509SVIDRequest(spiffeID: workload, csr: request.der, process: process.flatMap(evidence)),
            )
            let svid = try request.svid(from: answer.chain)
            guard svid.id == workload else {
                throw AgentError.svidUnavailable(workload, reason: "it came for \(svid.id)")
            }
            // It may have been withdrawn while it was on its way.
            if let objection = policy.current.objection(toOwn: svid) {
                throw AgentError.svidUnavailable(workload, reason: objection)
            }
            if policy.current.owns(workload) { hold(svid) }
            logger.debug("SVID", metadata: ["spiffe_id": "\(workload)", "serial": "\(svid.serialNumber)"])
            return svid
        } catch {
            let now = Date()
            let next = states[workload]?.failing(because: "\(error)", at: now)
            states[workload] = next ?? .firstFailure(because: "\(error)", at: now)
            logger.warning("no new SVID: \(error)", metadata: ["spiffe_id": "\(workload)"])
            throw AgentError.svidUnavailable(workload, reason: "\(error)")
        }
    }

    func hold(_ svid: X509SVID) { states[svid.id] = .held(svid) }

    func state(of workload: SPIFFEID) -> SVIDState? { states[workload] }

    private func bounded(_ task: Task<X509SVID, any Error>, for workload: SPIFFEID) async throws -> X509SVID {
        try await FirstAnswer.of(task, within: patience) { patience in
            AgentError.svidUnavailable(workload, reason: "the control plane did not answer within \(patience)")
        }
    }
}

/// Waits for a shared task, but only as long as the waiter itself is not cancelled.
enum FirstAnswer {
    static func of<Value: Sendable>(_ task: Task<Value, any Error>) async throws -> Value {
        let (stream, continuation) = AsyncThrowingStream<Value, any Error>.makeStream()
        Task {
            do {
                continuation.yield(try await task.value)
                continuation.finish()
            } catch {
                continuation.finish(throwing: error)
            }
        }
        for try await value in stream { return value }
        throw CancellationError()
    }

    /// - Parameter answer: ends as soon as its task is cancelled, which it is when the waiting ends.
    static func within<Value: Sendable>(
        _ patience: Duration, _ answer: @escaping @Sendable () async throws -> Value,
        else error: @escaping @Sendable (Duration) -> any Error,
    ) async throws -> Value {
        try await withThrowingTaskGroup(of: Value.self) { group in
            group.addTask { try await answer() }
            group.addTask {
                try await Task.sleep(for: patience)
                throw error(patience)
            }
            defer { group.cancelAll() }
            guard let first = try await group.next() else { throw CancellationError() }
            return first
        }
    }

    /// The task goes on when the waiting ends: the next who asks finds its answer.
    static func of<Value: Sendable>(
        _ task: Task<Value, any Error>, within patience: Duration,
        else error: @escaping @Sendable (Duration) -> any Error,
    ) async throws -> Value {
        try await within(patience, { try await of(task) }, else: error)
    }
}
