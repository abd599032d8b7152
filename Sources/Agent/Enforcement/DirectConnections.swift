import Gateway
package import Kernel
import Limits
package import Logging
import Proxy
import SPIFFE
import Synchronization
import Workloads

/// Connections that managed processes opened and that went on as they were, by what the kernel part wrote on their sockets.
///
/// To find them every socket of the host is looked at, so whoever asks meanwhile waits, and all are found at one look.
package actor DirectConnections {
    private let kernel: KernelSession
    private let policy: PolicyBoard
    private let handles: HandleTable
    private let networks: @Sendable () async -> [NetworkNamespace]
    private let journal: AgentJournal
    private let logger: Logger
    private var wanted: [ProcessKey: Wish] = [:]
    private var isLooking = false

    /// Of one process, opened as one workload.
    private struct Source: Hashable {
        let process: ProcessKey
        let identity: IdentityHandle
    }

    private struct Cuts {
        var count = 0
        let destination: InternetEndpoint
    }

    private struct Wish {
        let image: UInt32
        let workload: SPIFFEID?
        let reason: String
    }

    package init(
        kernel: KernelSession, policy: PolicyBoard, handles: HandleTable,
        networks: @escaping @Sendable () async -> [NetworkNamespace], journal: AgentJournal, logger: Logger,
    ) {
        self.kernel = kernel
        self.policy = policy
        self.handles = handles
        self.networks = networks
        self.journal = journal
        self.logger = logger
    }

    /// - Parameters:
    ///   - image: which the process is now.
    ///   - workload: who it is now; what it opened as that stays.
    func cut(of process: ProcessKey, image: UInt32, unlessOpenedAs workload: SPIFFEID?, because reason: String) async {
        wanted[process] = Wish(image: image, workload: workload, reason: reason)
        guard !isLooking else { return }
        isLooking = true
        defer { isLooking = false }
        while !wanted.isEmpty {
            let wishes = wanted
            wanted = [:]
            await look(for: wishes)
            // Cancelled: at once. What is wanted is cut all the same.
            try? await Task.sleep(for: Limits.Updates.ofDirectConnections)
        }
    }

    private func look(for wishes: [ProcessKey: Wish]) async {
        let (policy, handles) = (policy.current, handles)
        // One by one: a network that refuses does not keep those of the others alive.
        for network in await networks() {
            let cuts = Mutex<[Source: Cuts]>([:])
            do {
                let count = try kernel.destroySockets(in: [network]) { record in
                    guard let wish = wishes[record.process], Self.isDoomed(record, wish, policy, handles) else {
                        return false
                    }
                    // The proxy tells of its own.
                    guard !record.isRedirected, !record.isProxyEnd else { return true }
                    let source = Source(process: record.process, identity: record.identity)
                    cuts.withLock { $0[source, default: Cuts(destination: record.destination)].count += 1 }
                    return true
                }
                guard count > 0 else { continue }
                logger.info(
                    "direct connections cut: \(wishes.values.map(\.reason).sorted().first ?? "")",
                    metadata: ["count": "\(count)", "pids": "\(wishes.keys.map(\.pid).sorted().prefix(8))"])
            } catch {
                logger.warning(
                    "direct connections of processes that are not any more who opened them are not cut: \(error)")
                continue
            }
            tell(cuts.withLock(\.self), wishes)
        }
    }

    private func tell(_ cuts: [Source: Cuts], _ wishes: [ProcessKey: Wish]) {
        for (source, cut) in cuts {
            let reason = wishes[source.process]?.reason ?? ""
            var entry = JournalEntry(
                kind: .connectionCut, .refused(.openerChanged, because: "\(reason) (\(cut.destination))"))
            entry.process = source.process
            // Of a template it is told as whom the process is now, and not as whom it opened them.
            if case .fixed(let path)? = handles.workloadID(of: source.identity) {
                entry.workload = policy.current.spiffeID(at: path)
            }
            journal.recordCut(entry, count: cut.count)
        }
    }

    /// One opened before it was known as whom lends no identity, and stays.
    private static func isDoomed(
        _ record: KernelSocket.Record, _ wish: Wish, _ policy: EnforcedPolicy, _ handles: HandleTable,
    ) -> Bool {
        guard record.identity != .undecided else { return false }
        // Fail closed: as somebody that this life of the agent knows nothing of.
        guard let workloadID = handles.workloadID(of: record.identity) else { return true }
        if let workload = wish.workload, workloadID.covers(workload.path) { return false }
        return !(record.image.number != wish.image && policy.keepsAcrossExec(workloadID))
    }
}
