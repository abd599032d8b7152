package import NIOCore
package import SPIFFE
package import Workloads

/// A connection of a local workload that the kernel redirected to the proxy.
package struct OutboundFlow: Sendable {
    package let opener: Opener
    package let workload: SPIFFEID
    /// That its ID was made of, whose values may be the process's own choice.
    package let template: String?
    /// Where the process wanted to go.
    package let destination: SocketAddress
    /// False: when it was opened nobody was known to be managed there.
    package let placeIsKnown: Bool

    package var process: ProcessKey { opener.process }

    package init(
        opener: Opener, workload: SPIFFEID, template: String? = nil, destination: SocketAddress,
        placeIsKnown: Bool = true,
    ) {
        self.opener = opener
        self.workload = workload
        self.template = template
        self.destination = destination
        self.placeIsKnown = placeIsKnown
    }
}

/// What a connection turned out to be that the outbound listener accepted.
package enum AcceptedFlow: Sendable {
    case workload(OutboundFlow)
    /// Of a process that could have been a workload, and is none: it goes on as the process itself would have sent it.
    case plain(process: ProcessKey, destination: SocketAddress)
    /// - Parameter process: nil where nobody was redirected at all.
    case refused(process: ProcessKey?, reason: String)
}

/// Where flows come from: the kernel in the product, a table in tests.
package protocol FlowSource: Sendable {
    /// May take a while, as long as it is not known what the process is; the connection is held meanwhile. Ends early when
    /// the task is cancelled.
    func flow(ofAccepted descriptor: CInt) async -> AcceptedFlow

    /// The real uid of who opened it, at once; nil where nobody was redirected.
    func user(ofAccepted descriptor: CInt) -> UInt32?

    /// Asked once a connection is among the live ones, as its process may have become somebody else before that; from then
    /// on whoever notices such a change finds it there.
    ///
    /// - Returns: why it lost its right; nil: it has it.
    func objection(to opened: OpenedConnection) async -> String?

    /// Called before an inbound connection's upstream socket connects: lets that dial reach the application instead
    /// of the proxy again, and tells the application who the client is.
    ///
    /// - Parameter workload: whose application is meant; nobody else's takes the connection.
    func prepareUpstream(descriptor: CInt, client: SocketAddress, for workload: SPIFFEID?) throws
}
