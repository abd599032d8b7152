package import Logging
import NIOCore

/// Everything the proxy knows of the world around it.
package struct ProxyDependencies: Sendable {
    package var flows: any FlowSource
    package var svids: any SVIDSource
    package var routes: any RoutePolicy
    package var tokens: any TokenSource
    package var introspector: any TokenIntrospector
    package var journal: any ConnectionJournal
    package var limits: ProxyLimits
    package var logger: Logger

    package init(
        flows: any FlowSource,
        svids: any SVIDSource,
        routes: any RoutePolicy,
        tokens: any TokenSource,
        introspector: any TokenIntrospector,
        journal: any ConnectionJournal,
        limits: ProxyLimits = ProxyLimits(),
        logger: Logger,
    ) {
        self.flows = flows
        self.svids = svids
        self.routes = routes
        self.tokens = tokens
        self.introspector = introspector
        self.journal = journal
        self.limits = limits
        self.logger = logger
    }
}

/// How much, and how long.
package struct ProxyLimits: Sendable {
    /// Both directions together; each has two sockets.
    package var maximumConnections = 10_000
    package var connect: Duration = .seconds(10)
    package var handshake: Duration = .seconds(10)
    /// How long an incoming connection may stay silent before its first byte.
    package var firstByte: Duration = .seconds(10)
    package var svidWait: Duration = .seconds(5)
    /// For a token, or for introspection.
    package var decision: Duration = .seconds(15)
    /// Request line and headers together, in bytes.
    package var headerBytes = 64 * 1024
    /// How much of a refused request's body is read past, in bytes, before the connection is closed instead.
    package var discardedBody = 1024 * 1024

    package init() {}
}

extension Duration {
    var timeAmount: TimeAmount {
        .nanoseconds(components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000)
    }
}
