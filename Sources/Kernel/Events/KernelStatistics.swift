import CLibBPF
import KernelABI

/// Counters of the kernel part since it was first loaded; an adopted one goes on counting.
package struct KernelStatistics: Sendable, Equatable {
    package var execs: UInt64 = 0
    /// Processes without a record, hence without identity: the table was full.
    package var processesLost: UInt64 = 0
    package var redirects: UInt64 = 0
    package var refusals: UInt64 = 0
    /// Of ``KernelSession/events``: the ring was full, nobody read them fast enough, or a user caused more of them than is told.
    package var eventsLost: UInt64 = 0
    /// Of these: told by the kernel part, and dropped as too much waited to be read; whom they were about is not known.
    package var eventsUndelivered: UInt64 = 0
    /// Of ``KernelSession/notices``.
    package var noticesLost: UInt64 = 0
    /// Connections of managed processes to where nobody is known to be managed, handed to the proxy to ask.
    package var unknownPlaces: UInt64 = 0
    package var datagramsRefused: UInt64 = 0
    /// Redirected connections without a record: the proxy refuses them.
    package var flowsLost: UInt64 = 0
    /// Listeners the kernel part has no room for: nobody reaches them.
    package var listenersLost: UInt64 = 0
    /// Complete decisions.
    package var decisions: UInt64 = 0
    /// Processes that could not be decided for want of room or memory: unknown.
    package var decisionsLost: UInt64 = 0
    /// Listeners of processes that are not managed, opened or closed; they are told by this number alone.
    package var listenersOfNobody: UInt64 = 0

    /// - Parameter map: of one entry, per CPU.
    init(summing map: CInt) {
        let cpus = Int(max(libbpf_num_possible_cpus(), 1))
        var counters = [kernel_statistics](repeating: kernel_statistics(), count: cpus)
        var key: UInt32 = 0
        guard bpf_map_lookup_elem(map, &key, &counters) == 0 else { return }
        for counter in counters {
            execs += counter.execs
            processesLost += counter.processes_lost
            redirects += counter.redirects
            refusals += counter.refusals
            eventsLost += counter.events_lost
            noticesLost += counter.notices_lost
            unknownPlaces += counter.unknown_places
            datagramsRefused += counter.datagrams_refused
            flowsLost += counter.flows_lost
            listenersLost += counter.listeners_lost
            decisions += counter.decisions
            decisionsLost += counter.decisions_lost
            listenersOfNobody += counter.listeners_of_nobody
        }
    }
}
