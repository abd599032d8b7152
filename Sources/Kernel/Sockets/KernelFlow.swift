import KernelABI
package import Workloads

/// What the kernel recorded of a connection it sent to the proxy.
package struct KernelFlow: Sendable, Equatable {
    /// Who called connect(). The process may have executed another program since.
    package let image: ProcessImage
    package let identity: IdentityHandle
    /// Of the policy by which that was decided, or of an earlier one.
    package let generation: PolicyGeneration
    /// Where the process wanted to go.
    package let destination: InternetEndpoint
    /// As of connect().
    package let credentials: ProcessIDs
    /// The same of the process's first thread: others can have their own.
    package let processCredentials: ProcessIDs
    /// Cookie of the network namespace.
    package let network: UInt64
    /// False: nobody was known to be managed there, and it may not be reached as it is for all the kernel part knows.
    package let placeIsKnown: Bool
    /// Undecided, of a process that was a workload by a former policy and has executed nothing since.
    package let wasManaged: Bool

    package var process: ProcessKey { image.process }

    /// nil for a record that is not of a redirected connection, accepted by the proxy.
    init?(_ kept: kept_flow) {
        let flow = kept.flow
        let wanted = UInt32(FLOW_REDIRECTED | FLOW_ACCEPTED)
        guard flow.flags & wanted == wanted else { return nil }
        image = ProcessImage(process: ProcessKey(flow.process), number: flow.process.image)
        identity = IdentityHandle(rawValue: flow.identity)
        generation = PolicyGeneration(number: flow.generation)
        destination = InternetEndpoint(flow.destination)
        credentials = ProcessIDs(flow.ids)
        processCredentials = ProcessIDs(kept.process_ids)
        network = flow.netns_cookie
        placeIsKnown = flow.flags & UInt32(FLOW_UNKNOWN_PLACE) == 0
        wasManaged = flow.flags & UInt32(FLOW_DISOWNED) != 0
    }
}

extension ProcessIDs {
    init(_ ids: ids) {
        self.init(
            effectiveUserID: ids.euid, realUserID: ids.uid, effectiveGroupID: ids.egid, realGroupID: ids.gid)
    }
}
