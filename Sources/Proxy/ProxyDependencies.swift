import Limits
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

/// How much, and how long. Defaults are ``Limits``'; `limits` in agent.yaml changes some.
package struct ProxyLimits: Sendable, Equatable {
    /// Both directions together; each has two sockets.
    package var maximumConnections = Limits.Slots.proxy
    package var connect = Limits.Connection.dial
    package var handshake = Limits.Connection.handshake
    /// How long an incoming connection may stay silent before its first byte.
    package var firstByte = Limits.Connection.handshake
    /// From a request head's first byte to its last.
    package var requestHead = Limits.Connection.requestHead
    /// A client that sends nothing where a request, or more of one, is expected.
    package var idle = Limits.Connection.idle
    /// How fast a request's body has to come; 0: as slowly as it likes. See ``RequestPace``.
    package var bodyBytesPerSecond = Limits.Connection.bodyBytesPerSecond
    package var svidWait = Limits.Wait.svid
    /// For a token, or for introspection.
    package var decision = Limits.Wait.grant
    /// Request line and headers together, in bytes.
    package var headerBytes = Limits.Request.headerBytes
    /// How much of a refused request's body is read past, in bytes, before the connection is closed instead.
    package var discardedBody = Limits.Request.discardedBody

    package init() {}
}

extension Duration {
    var timeAmount: TimeAmount {
        .nanoseconds(components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000)
    }
}
