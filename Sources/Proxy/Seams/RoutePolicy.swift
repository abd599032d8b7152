package import NIOCore
package import SPIFFE
package import Workloads

/// What is known of a destination when a local workload dials it.
package struct OutboundRoute: Sendable {
    /// Who listens there. nil: unknown, any peer the policy allows will do.
    package let expected: SPIFFEID?
    /// The caller's `allowedSPIFFEIDs.outbound`.
    package let peers: PeerPolicy
    /// Resources served at that port; not empty: the HTTP lane.
    package let resources: [ProtectedResource]
    /// How else it may be reached; nil: somebody managed is known there, and by mutual TLS alone.
    package let passage: Passage?

    package init(
        expected: SPIFFEID?, peers: PeerPolicy, resources: [ProtectedResource], passage: Passage? = nil,
    ) {
        self.expected = expected
        self.peers = peers
        self.resources = resources
        self.passage = passage
    }
}

extension OutboundRoute {
    func rule(for workload: SPIFFEID, to destination: SocketAddress) -> PeerRule {
        PeerRule(workload: workload, expected: expected, peers: peers, plainText: plainText(to: destination))
    }

    /// Of a connection that goes on as it is already: that somebody managed is there now does not end it.
    private func plainText(to destination: SocketAddress) -> PeerRule.PlainText {
        guard case .closed(let reason)? = passage else { return .allowed(because: "its place may be reached as it is") }
        return .refused(because: "\(ProxyError.placeRefused(destination.text, reason))")
    }
}

/// What is known of a local listener when a connection for it comes in.
package struct InboundRoute: Sendable {
    /// The workload that listens.
    package let workload: SPIFFEID
    /// Its `allowedSPIFFEIDs.inbound`.
    package let peers: PeerPolicy
    package let tlsMode: WorkloadIdentity.TLSMode
    /// Resources it serves at that port; not empty: the HTTP lane.
    package let resources: [ProtectedResource]

    package init(
        workload: SPIFFEID, peers: PeerPolicy, tlsMode: WorkloadIdentity.TLSMode, resources: [ProtectedResource],
    ) {
        self.workload = workload
        self.peers = peers
        self.tlsMode = tlsMode
        self.resources = resources
    }
}

extension InboundRoute {
    var rule: PeerRule {
        let plainText: PeerRule.PlainText =
            switch tlsMode {
            case .permissive: .allowed(because: "plain text let by: the mode is PERMISSIVE")
            case .mutual: .refused(because: "plain text refused: the peer presented no SVID")
            }
        return PeerRule(workload: workload, peers: peers, plainText: plainText)
    }
}

/// What policy says of one connection: asked when that begins, and again where policy has changed since.
struct CurrentRoute<Route: Sendable>: Sendable {
    private var known: (revision: UInt64, route: Route)?

    /// As of which ``get(_:_:)`` answered last.
    var revision: UInt64 { known?.revision ?? 0 }

    mutating func get<Failure: Error>(
        _ routes: any RoutePolicy, _ ask: (any RoutePolicy) throws(Failure) -> Route,
    ) throws(Failure) -> Route {
        // First: a change between the two is asked for again, never missed.
        let revision = routes.revision
        if let known, known.revision == revision { return known.route }
        let route = try ask(routes)
        known = (revision, route)
        return route
    }
}

/// The policy in force, asked once a connection, and again after each change of it.
///
/// An address means what it means in the network namespace of the local workload, given by its cookie: 127.0.0.1:8000
/// is another place in another one.
package protocol RoutePolicy: Sendable {
    /// Rises with each change of what the others answer: a connection asks again only then.
    var revision: UInt64 { get }
    func outbound(workload: SPIFFEID, destination: SocketAddress, network: UInt64) -> OutboundRoute
    /// - Returns: nil where no managed workload listens; the connection is refused.
    func inbound(destination: SocketAddress, network: UInt64) -> InboundRoute?
    /// The same for a connection that `workload` has already, where nobody listens any more: a server that ends, or takes one connection,
    /// closes its listener first.
    ///
    /// - Returns: nil where somebody listens there, or `workload` is not this host's any more.
    func inbound(draining workload: SPIFFEID, destination: SocketAddress, network: UInt64) -> InboundRoute?
}
