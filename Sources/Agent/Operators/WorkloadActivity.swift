package import ControlPlaneAPI
import Foundation
import Gateway
import Glibc
package import Kernel
package import Proxy
import SPIFFE
import Workloads

/// What this host's workloads do, for `tidemark top`. Cheap: maps and counters only, /proc is not read.
package struct WorkloadActivity: Sendable {
    private let kernel: KernelSession
    private let proxy: LoopbackProxy
    private let handles: HandleTable
    private let refusals: RecentRefusals

    package init(kernel: KernelSession, proxy: LoopbackProxy, handles: HandleTable, refusals: RecentRefusals) {
        self.kernel = kernel
        self.proxy = proxy
        self.handles = handles
        self.refusals = refusals
    }

    package func report() -> TopReport {
        let connections = proxy.connections()
        return TopReport(
            time: Date(), kernel: KernelCounters(kernel.statistics()), cpuSeconds: Self.cpuSeconds,
            connectionCount: connections.count, identities: identities,
            connections: connections.sorted { $0.bytes > $1.bytes }.prefix(TopReport.maximumConnections)
                .map(connection),
            refusals: Dictionary(uniqueKeysWithValues: refusals.causes.map { ($0.key.rawValue, $0.value) }),
        )
    }

    private var identities: [TopReport.Identity] {
        var found: [String: TopReport.Identity] = [:]
        func change(_ workloadID: String, _ body: (inout TopReport.Identity) -> Void) {
            body(&found[workloadID, default: TopReport.Identity(workloadID: workloadID)])
        }
        for (_, handle) in kernel.identified() {
            if let workloadID = handles.workloadID(of: handle) { change(workloadID.text) { $0.processes += 1 } }
        }
        for (workload, traffic) in proxy.traffic() { change(workload.path.text) { $0.take(traffic) } }
        for (workload, count) in refusals.counts { change(workload.path.text) { $0.refusals = count } }
        return found.values.sorted { $0.workloadID < $1.workloadID }
    }

    private func connection(_ report: ConnectionReport) -> TopReport.Connection {
        TopReport.Connection(
            id: report.id, outbound: report.direction == .outbound, process: report.process,
            processName: report.process.flatMap(kernel.name), workloadID: report.workload?.path.text,
            peer: report.peer?.description, source: report.source, destination: report.destination,
            bytesToApplication: report.bytesToApplication, bytesFromApplication: report.bytesFromApplication,
            startedAt: report.startedAt,
        )
    }

    private static var cpuSeconds: Double {
        var usage = rusage()
        getrusage(RUSAGE_SELF.rawValue, &usage)
        return [usage.ru_utime, usage.ru_stime].reduce(0) { $0 + Double($1.tv_sec) + Double($1.tv_usec) / 1e6 }
    }
}

extension ConnectionReport {
    fileprivate var bytes: UInt64 { bytesToApplication + bytesFromApplication }
}

extension TopReport.Identity {
    fileprivate mutating func take(_ traffic: WorkloadTraffic) {
        outbound = traffic.liveOutbound
        inbound = traffic.liveInbound
        bytesToApplication = traffic.bytesToApplication
        bytesFromApplication = traffic.bytesFromApplication
    }
}

extension KernelCounters {
    package init(_ statistics: KernelStatistics) {
        self.init()
        execs = statistics.execs
        decisions = statistics.decisions
        redirects = statistics.redirects
        refusals = statistics.refusals
        processesLost = statistics.processesLost
        listenersLost = statistics.listenersLost
        decisionsLost = statistics.decisionsLost
        flowsLost = statistics.flowsLost
        eventsLost = statistics.eventsLost
        noticesLost = statistics.noticesLost
        unknownPlaces = statistics.unknownPlaces
        datagramsRefused = statistics.datagramsRefused
    }
}
