import ControlPlaneAPI
import Foundation

/// One look at an agent, with what happened since the look before. A second is the unit of all rates.
struct TopFrame: Encodable, Equatable {
    /// Of both looks.
    var time: Date
    /// Since the look before, in seconds; 0 at the first one, whose rates are 0.
    var seconds: Double
    var execsPerSecond: Double
    var redirectsPerSecond: Double
    /// Of one core, in percent.
    var agentCPU: Double
    var kernel: KernelCounters
    var connectionCount: Int
    var identities: [Identity]
    var connections: [TopReport.Connection]

    struct Identity: Encodable, Equatable {
        var workloadID: String
        var processes: Int
        var outbound: Int
        var inbound: Int
        var bytesToApplication: UInt64
        var bytesFromApplication: UInt64
        var bytesToApplicationPerSecond: Double
        var bytesFromApplicationPerSecond: Double
        var refusals: UInt64
    }

    /// - Parameter last: nil at the first look.
    init(from last: TopReport?, to now: TopReport) {
        let seconds = last.map { max(now.time.timeIntervalSince($0.time), 0) } ?? 0
        func rate(_ before: UInt64?, _ after: UInt64) -> Double { Self.rate(before, after, seconds) }
        time = now.time
        self.seconds = seconds
        execsPerSecond = rate(last?.kernel.execs, now.kernel.execs)
        redirectsPerSecond = rate(last?.kernel.redirects, now.kernel.redirects)
        let cpu = last.map { max(now.cpuSeconds - $0.cpuSeconds, 0) } ?? 0
        agentCPU = seconds > 0 ? 100 * cpu / seconds : 0
        kernel = now.kernel
        connectionCount = now.connectionCount
        connections = now.connections
        let before = Dictionary((last?.identities ?? []).map { ($0.workloadID, $0) }) { first, _ in first }
        identities = now.identities.map { identity in
            // One that was not there before has carried nothing before.
            let earlier = last == nil ? nil : before[identity.workloadID] ?? .init(workloadID: identity.workloadID)
            return Identity(
                workloadID: identity.workloadID, processes: identity.processes, outbound: identity.outbound,
                inbound: identity.inbound, bytesToApplication: identity.bytesToApplication,
                bytesFromApplication: identity.bytesFromApplication,
                bytesToApplicationPerSecond: rate(earlier?.bytesToApplication, identity.bytesToApplication),
                bytesFromApplicationPerSecond: rate(earlier?.bytesFromApplication, identity.bytesFromApplication),
                refusals: identity.refusals,
            )
        }
    }

    /// 0 where a counter went back: the agent was restarted.
    private static func rate(_ before: UInt64?, _ after: UInt64, _ seconds: Double) -> Double {
        guard let before, seconds > 0, after >= before else { return 0 }
        return Double(after - before) / seconds
    }
}
