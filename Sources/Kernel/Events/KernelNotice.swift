import KernelABI
package import Workloads

/// What operators are told. Some of it may be lost; how often anybody was refused is counted in any case, see
/// ``KernelSession/refusalCounts()``.
package enum KernelNotice: Sendable, Equatable {
    /// A process is seen as this identity for the first time.
    case identified(ProcessKey, IdentityHandle)
    /// The first refusal of this source in a second.
    case refused(KernelRefusal)

    /// nil for a kind that a newer kernel part may have.
    init?(_ event: kernel_event) {
        switch event_kind(event.kind) {
        case EVENT_IDENTIFIED:
            self = .identified(ProcessKey(event.process), IdentityHandle(rawValue: event.identity))
        case EVENT_REFUSED:
            guard let refusal = KernelRefusal(event) else { return nil }
            self = .refused(refusal)
        default: return nil
        }
    }
}

/// A connection, a listener or a datagram that the kernel part itself refused.
package struct KernelRefusal: Sendable, Equatable {
    /// Who causes refusals, and why: what they are counted by.
    package struct Source: Hashable, Sendable {
        /// The real one. nil: of many that found no room of their own.
        package let userID: UInt32?
        package let reason: Reason
        package let identity: IdentityHandle
    }

    package let process: ProcessKey
    /// Where it wanted to go, or to listen.
    package let destination: InternetEndpoint
    package let source: Source
    /// How many of this source there were ever, this one included.
    package let count: UInt64

    package var reason: Reason { source.reason }
}

extension KernelRefusal {
    init?(_ event: kernel_event) {
        guard let source = Source(event.source) else { return nil }
        process = ProcessKey(event.process)
        destination = InternetEndpoint(event.endpoint)
        self.source = source
        count = event.count
    }
}

extension KernelRefusal.Source {
    init?(_ source: refusal_source) {
        guard let reason = KernelRefusal.Reason(rawValue: source.reason) else { return nil }
        self.init(
            userID: source.crowded == 0 ? source.uid : nil, reason: reason,
            identity: IdentityHandle(rawValue: source.identity))
    }

    /// nil where it stands for many.
    var abi: refusal_source? {
        userID.map { refusal_source(uid: $0, reason: reason.rawValue, identity: identity.rawValue, crowded: 0) }
    }
}

extension KernelRefusal {
    /// Why the kernel part said no.
    package enum Reason: UInt32, Sendable, CaseIterable, CustomStringConvertible {
        case directDial = 1
        case namespaceNotServed
        case listenInNamespaceNotServed
        case noMemory
        case processUnknown
        case tracer
        case disowned
        case datagramNotListed
        case datagramInManagedNetwork
        case boundToDevice

        package var description: String {
            switch self {
            case .directDial: "the proxy's port was dialled directly; only redirected connections reach it"
            case .namespaceNotServed:
                "the proxy was not in the process's network namespace yet; retry, it is made when this is seen, unless its user has as "
                    + "many as one may have: tidemarkd's log says so then"
            case .listenInNamespaceNotServed:
                "a managed process listens in a network namespace without the proxy; retry, it is made when this is seen"
            case .noMemory: "the kernel had no memory for the connection's record; retry"
            case .processUnknown:
                "nothing is known of the process, as the table of processes was full when it started; restart it"
            case .tracer:
                "another user's process would have traced or read a managed one; run the debugger as root"
            case .disowned:
                "the process was a workload until its manifest was changed or deleted, and does not reach managed places "
                    + "as nobody; restart it"
            case .datagramNotListed:
                "the identity's connection.outbound is MUTUAL, and no plain entry of its egress covers this datagram; add one "
                    + "(for ICMP and raw sockets, one of all ports)"
            case .datagramInManagedNetwork:
                "the address is in a managed network, where no managed workload sends plain datagrams; except it from "
                    + "managedNetworks"
            case .boundToDevice:
                "the socket is bound to a device (SO_BINDTODEVICE), on which the proxy cannot be reached; let the program "
                    + "bind to an address instead"
            }
        }
    }
}
