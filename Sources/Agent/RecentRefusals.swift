import Synchronization
package import Workloads

/// The last few refusals a process met, for `tidemark explain`.
package final class RecentRefusals: Sendable {
    private let byProcess = Mutex<[ProcessKey: [String]]>([:])
    private static let processes = 1024
    private static let each = 5

    package init() {}

    package func note(_ reason: String, for process: ProcessKey) {
        byProcess.withLock { table in
            if table.count >= Self.processes, table[process] == nil { table.removeAll() }
            table[process] = Array((table[process, default: []] + [reason]).suffix(Self.each))
        }
    }

    package func of(_ process: ProcessKey) -> [String] {
        byProcess.withLock { $0[process] ?? [] }
    }
}
