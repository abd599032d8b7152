package import NIOCore
package import SPIFFE
package import Workloads

/// A connection of a local workload that the kernel redirected to the proxy.
package struct OutboundFlow: Sendable {
    package let process: ProcessKey
    package let workload: SPIFFEID
    /// Where the process wanted to go.
    package let destination: SocketAddress

    package init(process: ProcessKey, workload: SPIFFEID, destination: SocketAddress) {
        self.process = process
        self.workload = workload
        self.destination = destination
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

    /// Called before an inbound connection's upstream socket connects: lets that dial reach the application instead
    /// of the proxy again, and tells the application who the client is.
    func prepareUpstream(descriptor: CInt, client: SocketAddress) throws
}
