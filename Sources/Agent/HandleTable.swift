package import Kernel
import Synchronization

/// The numbers by which the kernel part knows identities.
///
/// Counting starts at a random place in each life of the agent: a number that a former agent left in the kernel is then unknown here, and
/// never somebody else.
package final class HandleTable: Sendable {
    private struct Table {
        var next: UInt32
        var byWorkload: [String: IdentityHandle] = [:]
        var byHandle: [IdentityHandle: String] = [:]
    }

    private let table: Mutex<Table>

    package init(start: UInt32 = .random(in: 1...0xffff) << 16) {
        table = Mutex(Table(next: start))
    }

    /// A handle for each; the same ID keeps its handle.
    package func handles(for workloadIDs: some Sequence<String>) -> [String: IdentityHandle] {
        table.withLock { table in
            var result: [String: IdentityHandle] = [:]
            for workloadID in workloadIDs {
                if let known = table.byWorkload[workloadID] {
                    result[workloadID] = known
                    continue
                }
                let handle = IdentityHandle(rawValue: table.next)
                table.next += 1
                table.byWorkload[workloadID] = handle
                table.byHandle[handle] = workloadID
                result[workloadID] = handle
            }
            return result
        }
    }

    package func workloadID(of handle: IdentityHandle) -> String? {
        table.withLock { $0.byHandle[handle] }
    }
}
