import KernelABI
package import Workloads

/// What the agent has to know to keep the policy. Nothing that anybody is refused can displace any of it; what is lost all
/// the same is in ``KernelStatistics/eventsLost``, and the tables it is about are to be read again then.
package enum KernelEvent: Sendable, Equatable {
    case listenerOpened(InternetEndpoint, process: ProcessKey, identity: IdentityHandle)
    case listenerClosed(InternetEndpoint)
    /// User space has to find out what the process is: ``KernelSession/answer(_:holding:generation:)``.
    case undecided(ProcessKey)
    /// A managed process is in a network namespace that is not served: ``KernelSession/serve(_:listeners:)``.
    /// - Parameter network: its cookie.
    case unserved(ProcessKey, network: UInt64)
    /// A managed process has another uid or gid from now on; told by kernels with BPF LSM alone.
    case credentialsChanged(ProcessKey)
    /// A process that has opened connections as somebody, or undecided, executed another program.
    case executed(ProcessKey, having: KernelConnections)

    /// nil for a kind that a newer kernel part may have.
    init?(_ event: kernel_event) {
        let process = ProcessKey(event.process)
        let endpoint = InternetEndpoint(event.endpoint)
        let identity = IdentityHandle(rawValue: event.identity)
        switch event_kind(event.kind) {
        case EVENT_LISTEN_OPENED: self = .listenerOpened(endpoint, process: process, identity: identity)
        case EVENT_LISTEN_CLOSED: self = .listenerClosed(endpoint)
        case EVENT_UNDECIDED: self = .undecided(process)
        case EVENT_UNSERVED: self = .unserved(process, network: event.netns_cookie)
        case EVENT_CREDENTIALS: self = .credentialsChanged(process)
        case EVENT_EXECUTED: self = .executed(process, having: KernelConnections(rawValue: event.reason))
        default: return nil
        }
    }
}

/// What a managed or undecided process has opened in its life, whatever it executed since.
package struct KernelConnections: OptionSet, Sendable, Equatable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let throughProxy = KernelConnections(rawValue: UInt32(CONNECTED_BY_PROXY))
    /// Let go as they were.
    package static let direct = KernelConnections(rawValue: UInt32(CONNECTED_DIRECTLY))
}

extension ProcessKey {
    init(_ key: process_key) {
        self.init(pid: Int32(bitPattern: key.tgid), startTime: key.start_boottime_ns)
    }
}
