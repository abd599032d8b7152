package import Kernel
import Limits
package import Logging
import SPIFFE
import Workloads

/// Connections that managed processes opened and that went on as they were, by what the kernel part wrote on their sockets.
///
/// To find them every socket of the host is looked at, so whoever asks meanwhile waits, and all are found at one look.
package actor DirectConnections {
    private let kernel: KernelSession
    private let policy: PolicyBoard
    private let handles: HandleTable
    private let networks: @Sendable () async -> [NetworkNamespace]
    private let logger: Logger
    private var wanted: [ProcessKey: Wish] = [:]
    private var isLooking = false

    private struct Wish {
        let image: UInt32
        let workload: SPIFFEID?
        let reason: String
    }

    package init(
        kernel: KernelSession, policy: PolicyBoard, handles: HandleTable,
        networks: @escaping @Sendable () async -> [NetworkNamespace], logger: Logger,
    ) {
        self.kernel = kernel
        self.policy = policy
        self.handles = handles
        self.networks = networks
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
        do {
            let count = try kernel.destroySockets(in: await networks()) { record in
                guard let wish = wishes[record.process] else { return false }
                return Self.isDoomed(record, wish, policy, handles)
            }
            guard count > 0 else { return }
            logger.info(
                "direct connections cut: \(wishes.values.map(\.reason).sorted().first ?? "")",
                metadata: ["count": "\(count)", "pids": "\(wishes.keys.map(\.pid).sorted().prefix(8))"])
        } catch {
            logger.warning(
                "direct connections of processes that are not any more who opened them are not cut: \(error)")
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
