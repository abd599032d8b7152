package import Kernel
import Limits
import Synchronization
package import Workloads

/// The numbers by which the kernel part knows identities.
///
/// Counting starts at a random place in each life of the agent: a number that a former agent left in the kernel is then unknown here, and
/// never somebody else. Numbers that mean something to the kernel part are left out.
package final class HandleTable: Sendable {
    fileprivate struct Table {
        var next: UInt32
        var byWorkload: [WorkloadName: (handle: IdentityHandle, asked: UInt64)] = [:]
        var byHandle: [IdentityHandle: WorkloadName] = [:]
        /// Of the policy in force: these stay.
        var standing: Set<WorkloadName> = []
        var calls: UInt64 = 0
        /// By nobody.
        var taken: IdentityHandle?
    }

    private let table: Mutex<Table>
    /// Of listeners that were managed and are not any more: nobody's, so that they are reached by nobody, and never `.none`.
    package let closed: IdentityHandle

    package init(start: UInt32 = .random(in: 1...0xffff) << 16) {
        var table = Table(next: start)
        closed = table.take()
        table.taken = closed
        self.table = Mutex(table)
    }

    package var count: Int { table.withLock { $0.byWorkload.count } }

    /// A handle for each; the same ID keeps its handle while it is asked for.
    package func handles(for workloadIDs: some Sequence<WorkloadName>) -> [WorkloadName: IdentityHandle] {
        table.withLock { $0.handles(for: workloadIDs) }
    }

    /// The same for the IDs of a policy that is to be in force.
    package func handles(ofPolicy workloadIDs: some Sequence<WorkloadName>) -> [WorkloadName: IdentityHandle] {
        table.withLock { table in
            table.standing = Set(workloadIDs)
            return table.handles(for: table.standing)
        }
    }

    /// nil: a number of a former life of the agent, or of nobody.
    package func workloadID(of handle: IdentityHandle) -> WorkloadName? {
        table.withLock { $0.byHandle[handle] }
    }
}

extension HandleTable.Table {
    fileprivate mutating func handles(for workloadIDs: some Sequence<WorkloadName>) -> [WorkloadName: IdentityHandle] {
        calls += 1
        var result: [WorkloadName: IdentityHandle] = [:]
        for workloadID in workloadIDs {
            let handle = byWorkload[workloadID]?.handle ?? take()
            byWorkload[workloadID] = (handle, calls)
            byHandle[handle] = workloadID
            result[workloadID] = handle
        }
        if byWorkload.count > Limits.Identities.handles { forget() }
        return result
    }

    /// After four billion it begins again, with what is free.
    fileprivate mutating func take() -> IdentityHandle {
        while true {
            let handle = IdentityHandle(rawValue: next)
            next &+= 1
            let isReserved = [.none, .undecided, .unknown].contains(handle)
            if !isReserved, handle != taken, byHandle[handle] == nil { return handle }
        }
    }

    /// Half of what no policy has, those first that nobody asked for lately: who still has such a number counts as of a former policy.
    private mutating func forget() {
        let others = byWorkload.filter { !standing.contains($0.key) }.sorted { $0.value.asked < $1.value.asked }
        for (workloadID, entry) in others.prefix((others.count + 1) / 2) {
            byWorkload[workloadID] = nil
            byHandle[entry.handle] = nil
        }
    }
}
