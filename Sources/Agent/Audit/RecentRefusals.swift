package import Foundation
package import Gateway
package import Kernel
import Limits
package import SPIFFE
import Synchronization
package import Workloads

/// The last refusals on this host, for `tidemark explain`, and how many there were, for `tidemark top`.
package final class RecentRefusals: Sendable {
    /// One connection or request that was refused. What is nil or empty was not established by then.
    package struct Refusal: Sendable, Equatable {
        package var time = Date()
        package var process: ProcessKey?
        package var workload: SPIFFEID?
        package var peer: SPIFFEID?
        /// `source>destination`, as the application sees it and between the hosts, as far as they are known.
        package var connections: [String] = []
        /// Where the source is not known: of what the kernel part refused.
        package var destination: InternetEndpoint?
        package var isInbound = false
        package var reason: String

        package init(reason: String) { self.reason = reason }
    }

    private struct Memory {
        var refusals: [Refusal] = []
        var counts: [SPIFFEID: UInt64] = [:]
        var causes: [RefusalCause: UInt64] = [:]
    }

    private let memory = Mutex(Memory())
    private static let kept = Limits.Explain.refusals
    private static let workloads = Limits.Explain.refusalWorkloads
    private static let each = 5

    package init() {}

    /// Remembers and counts it; the oldest one goes where there are too many.
    package func note(_ refusal: Refusal) {
        memory.withLock { memory in
            if memory.refusals.count >= Self.kept { memory.refusals.removeFirst(Self.kept / 8) }
            memory.refusals.append(refusal)
        }
    }

    /// Also those that are too many to be kept each.
    package func count(_ workload: SPIFFEID?, _ cause: RefusalCause?) {
        if let cause { count(cause, 1) }
        guard let workload else { return }
        memory.withLock { memory in
            if memory.counts.count >= Self.workloads, memory.counts[workload] == nil { memory.counts = [:] }
            memory.counts[workload, default: 0] += 1
        }
    }

    /// The last few, oldest first.
    package func of(_ process: ProcessKey) -> [Refusal] {
        memory.withLock { Array($0.refusals.filter { $0.process == process }.suffix(Self.each)) }
    }

    /// The last refusal of a connection between these two, opened by either; else of the kernel part for one of them.
    package func between(_ one: InternetEndpoint, _ other: InternetEndpoint) -> Refusal? {
        let names = ["\(one)>\(other)", "\(other)>\(one)"]
        return memory.withLock { memory in
            memory.refusals.last { $0.connections.contains(where: names.contains) }
                ?? memory.refusals.last { $0.destination == other }
                ?? memory.refusals.last { $0.destination == one }
        }
    }

    package func count(_ cause: RefusalCause, _ times: Int) {
        memory.withLock { $0.causes[cause, default: 0] += UInt64(times) }
    }

    /// By proxy and kernel part, since the agent started.
    package var causes: [RefusalCause: UInt64] { memory.withLock { $0.causes } }

    /// By the proxy, since the agent started.
    package var counts: [SPIFFEID: UInt64] { memory.withLock { $0.counts } }
}
