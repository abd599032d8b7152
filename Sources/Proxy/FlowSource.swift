package import NIOCore
package import SPIFFE
package import Workloads

/// What the kernel recorded of a connection it redirected to the proxy.
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

/// Where flows come from: the kernel in the product, a table in tests.
package protocol FlowSource: Sendable {
    /// - Returns: nil for a connection nobody redirected; the proxy refuses it.
    func flow(ofAccepted descriptor: CInt) -> OutboundFlow?

    /// Called before an inbound connection's upstream socket connects: lets that dial reach the application instead
    /// of the proxy again, and tells the application who the client is.
    func prepareUpstream(descriptor: CInt, client: SocketAddress) throws
}
