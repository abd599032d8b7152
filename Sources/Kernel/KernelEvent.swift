import KernelABI
package import Workloads

/// What the kernel part tells of its own accord.
package enum KernelEvent: Sendable, Equatable {
    case listenerOpened(InternetEndpoint, process: ProcessKey, identity: IdentityHandle)
    case listenerClosed(InternetEndpoint)
    /// A process is seen as this identity for the first time.
    case identified(ProcessKey, IdentityHandle)
    /// User space has to find out what the process is: ``KernelSession/answer(_:holding:generation:)``.
    case undecided(ProcessKey)
    /// A managed process is in a network namespace that is not served: ``KernelSession/serve(_:listeners:)``.
    /// - Parameter network: its cookie.
    case unserved(ProcessKey, network: UInt64)
    /// A managed process has another uid or gid from now on; told by kernels with BPF LSM alone.
    case credentialsChanged(ProcessKey, IdentityHandle)
    /// - Parameter destination: where it wanted to go, or to listen.
    case refused(ProcessKey, destination: InternetEndpoint, Refusal)

    /// Why the kernel part itself said no.
    package enum Refusal: Sendable, Equatable, CustomStringConvertible {
        case directDial
        case namespaceNotServed
        case listenInNamespaceNotServed
        case noMemory
        case processUnknown
        case tracer

        package var description: String {
            switch self {
            case .directDial: "the proxy's port was dialled directly; only redirected connections reach it"
            case .namespaceNotServed:
                "the proxy was not in the process's network namespace yet; retry, it is made when this is seen"
            case .listenInNamespaceNotServed:
                "a managed process listens in a network namespace without the proxy; retry, it is made when this is seen"
            case .noMemory: "the kernel had no memory for the connection's record; retry"
            case .processUnknown:
                "nothing is known of the process, as the table of processes was full when it started; restart it"
            case .tracer:
                "another user's process would have traced or read a managed one; run the debugger as root"
            }
        }
    }

    /// nil for a kind that a newer kernel part may have.
    init?(_ event: kernel_event) {
        let process = ProcessKey(event.process)
        let endpoint = InternetEndpoint(event.endpoint)
        let identity = IdentityHandle(rawValue: event.identity)
        if let refusal = Refusal(event.reason) {
            self = .refused(process, destination: endpoint, refusal)
            return
        }
        switch event_kind(event.kind) {
        case EVENT_LISTEN_OPENED: self = .listenerOpened(endpoint, process: process, identity: identity)
        case EVENT_LISTEN_CLOSED: self = .listenerClosed(endpoint)
        case EVENT_IDENTIFIED: self = .identified(process, identity)
        case EVENT_UNDECIDED: self = .undecided(process)
        case EVENT_UNSERVED: self = .unserved(process, network: event.netns_cookie)
        case EVENT_CREDENTIALS: self = .credentialsChanged(process, identity)
        default: return nil
        }
    }
}

extension KernelEvent.Refusal {
    init?(_ reason: UInt32) {
        switch refusal(reason) {
        case REFUSED_DIRECT_DIAL: self = .directDial
        case REFUSED_NAMESPACE: self = .namespaceNotServed
        case REFUSED_LISTEN_NAMESPACE: self = .listenInNamespaceNotServed
        case REFUSED_NO_MEMORY: self = .noMemory
        case REFUSED_UNKNOWN_PROCESS: self = .processUnknown
        case REFUSED_TRACER: self = .tracer
        default: return nil
        }
    }
}

extension ProcessKey {
    init(_ key: process_key) {
        self.init(pid: Int32(bitPattern: key.tgid), startTime: key.start_boottime_ns)
    }
}
