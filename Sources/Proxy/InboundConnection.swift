import Foundation
import Gateway
import Limits
import NIOCore
import NIOHTTP1
import NIOSSL
import SPIFFE
import Workloads

/// One connection to a local workload, from accept to close. Runs on the event loop of its channels.
actor InboundConnection {
    private let environment: ProxyEnvironment
    private let eventLoop: any EventLoop
    private let network: BoundNetwork
    private let place: ConnectionSlots.Connection
    private let downstream: any Channel
    /// The address the client used: where the application listens.
    private let destination: SocketAddress
    private let client: SocketAddress
    private var peer: PeerIdentity?
    private var application: (any Channel)?
    private let bytes = ByteTally()
    /// As policy had it when it was asked last.
    private var known: (revision: UInt64, route: InboundRoute)?
    private var entry: UInt64 = 0
    private var facts: JournalEntry

    nonisolated var unownedExecutor: UnownedSerialExecutor { eventLoop.executor.asUnownedSerialExecutor() }

    /// The first byte of a TLS record that holds a handshake message, RFC 8446, section 5.1.
    private static let tlsHandshake: UInt8 = 0x16

    /// Serves an accepted socket until it is closed.
    static func serve(
        _ descriptor: CInt, of network: BoundNetwork, _ place: ConnectionSlots.Connection,
        _ environment: ProxyEnvironment, on eventLoop: any EventLoop,
    ) async {
        guard let channel = try? await ProxyChannel.adopt(descriptor, on: eventLoop) else { return }
        place.attach(channel)
        guard let destination = channel.localAddress, let client = channel.remoteAddress else {
            channel.close(promise: nil)
            return
        }
        await InboundConnection(channel, network, place, destination, client, environment).serve()
    }

    private init(
        _ downstream: any Channel, _ network: BoundNetwork, _ place: ConnectionSlots.Connection,
        _ destination: SocketAddress, _ client: SocketAddress, _ environment: ProxyEnvironment,
    ) {
        self.place = place
        self.downstream = downstream
        self.network = network
        self.destination = destination
        self.client = client
        self.environment = environment
        eventLoop = downstream.eventLoop
        facts = JournalEntry(kind: .connectionInbound, allowed: false, reason: "")
        facts.connection = JournalEntry.name(client: client, server: destination)
    }

    private func serve() async {
        do {
            try await carry()
        } catch {
            environment.record(facts, allowed: false, "\(error)")
            downstream.cut()
            application?.cut()
        }
        try? await downstream.closeFuture.get()
        try? await application?.closeFuture.get()
        environment.live.remove(entry)
    }

    private func carry() async throws {
        let route = try route()
        facts.workload = route.workload
        entry = environment.live.insert(
            LiveConnections.Entry(
                direction: .inbound, network: network.cookie, source: client, destination: destination,
                workload: route.workload, bytes: bytes, looksInside: !route.resources.isEmpty, journal: facts,
                channels: [downstream],
            ))
        try network.checkServed()
        try await identify(route)
        try establish(route)
        if route.resources.isEmpty {
            let application = try await dialApplication()
            try RawLane.join(downstream, application)
        } else {
            try HTTPLane.serve(downstream, limits: environment.limits, isPeers: true) { await self.decide($0) }
        }
    }

    private func route() throws(ProxyError) -> InboundRoute {
        let routes = environment.dependencies.routes
        // First: a change between the two is asked for again, never missed.
        let revision = routes.revision
        if let known, known.revision == revision { return known.route }
        guard let route = routes.inbound(destination: destination, network: network.cookie) else {
            throw .nobodyListens(address: destination.text)
        }
        known = (revision, route)
        return route
    }

    // MARK: Who calls

    private func identify(_ route: InboundRoute) async throws {
        guard let first = try downstream.gate().firstByte(within: environment.limits.firstByte) else {
            throw ProxyError.clientGone
        }
        let isTLS = try await first.get() == Self.tlsHandshake
        place.heard()
        if isTLS {
            let peer = try await authenticate(route)
            return try place.vouch(for: .peer(peer.id))
        }
        if let cause = route.rule.decision(on: .plainText).refusal { throw ProxyError.peerRefused(cause) }
        try place.vouch(for: .client(place.source))
    }

    private func authenticate(_ route: InboundRoute) async throws -> PeerIdentity {
        let svids = environment.dependencies.svids
        let svid = try await within(environment.limits.svidWait, "the SVID of \(route.workload)") {
            try await svids.svid(for: route.workload, process: nil)
        }
        facts.svidSerial = svid.serialNumber
        let peer = try await shakeHands(environment.tls.pair(for: svid).server, route)
        self.peer = peer
        facts.peer = peer.id
        facts.peerSVIDSerial = peer.serial
        return peer
    }

    private func shakeHands(_ context: NIOSSLContext, _ route: InboundRoute) async throws -> PeerIdentity {
        let bundles = environment.dependencies.svids.bundles()
        let check = PeerCheck(bundles: bundles, verifications: environment.verifications, rule: route.rule)
        downstream.closeFuture.whenComplete { _ in check.abandon() }
        let failure: (any Error)?
        do {
            let end = HeldEnd()
            let handshake = try startTLS(context, check, end)
            try await handshake?.get()
            end.release()
            failure = handshake == nil ? ProxyError.clientGone : nil
        } catch {
            failure = error
        }
        return try check.result(failure)
    }

    /// Puts TLS behind the gate that holds the client's first bytes, and a new gate behind TLS.
    private func startTLS(
        _ context: NIOSSLContext, _ check: PeerCheck, _ end: HeldEnd,
    ) throws -> EventLoopFuture<Void>? {
        let outer = try downstream.gate()
        let inner = ChannelGate()
        let handler = NIOSSLServerHandler(context: context, customVerificationCallback: check.verify)
        try downstream.pipeline.syncOperations.addHandlers([end, handler, inner])
        let handshake = inner.handshake(within: environment.limits.handshake)
        outer.open()
        return handshake
    }

    /// Counts the connection as established, then asks policy again: it may have changed since the handshake asked.
    private func establish(_ route: InboundRoute) throws(ProxyError) {
        environment.live.update(entry) { entry in
            entry.peer = peer
            entry.isPlainText = peer == nil
            entry.journal = facts
        }
        let routes = environment.dependencies.routes
        if known?.revision != routes.revision, let objection = environment.live[entry]?.objection(routes) {
            throw objection
        }
        environment.record(facts, allowed: true, peer?.because ?? route.rule.decision(on: .plainText).reason)
    }

    // MARK: The application

    private func dialApplication() async throws -> any Channel {
        let (flows, client, workload) = (environment.dependencies.flows, client, facts.workload)
        let address = environment.applicationAddress(destination)
        let descriptor = try await DialledSocket.connect(
            to: address, in: network.network, on: eventLoop, within: environment.limits.connect,
        ) {
            try flows.prepareUpstream(descriptor: $0, client: client, for: workload)
        }
        let channel = try await ProxyChannel.adopt(descriptor, counting: bytes, on: eventLoop)
        application = channel
        environment.live.update(entry) { $0.channels = [$0.channels[0], channel] }
        return channel
    }

    // MARK: Requests

    private func decide(_ head: HTTPRequestHead) async -> HTTPVerdict {
        var request = facts
        request.kind = .requestInbound
        do {
            let resource = try await authorize(head, &request)
            let isFresh = application?.isActive != true
            let over = isFresh ? try await dialApplication() : nil
            environment.record(
                request, allowed: true, "the token is for this resource and bound to the peer's SVID")
            return .forward(adding: peerHeader, stripping: resource.stripHeaders, over: over)
        } catch {
            let refusal = Refusal.standing(for: error)
            environment.record(request, allowed: false, refusal.reason)
            return .refuse(refusal)
        }
    }

    private var peerHeader: [HeaderHygiene.Header] {
        peer.map { [(HeaderHygiene.peerHeader, $0.id.description)] } ?? []
    }

    private func authorize(
        _ head: HTTPRequestHead, _ request: inout JournalEntry,
    ) async throws -> ProtectedResource {
        let route = try route()
        if let peer {
            if let cause = route.rule.decision(on: peer.asFarEnd).refusal { throw ProxyError.peerRefused(cause) }
        }
        let policy = HTTPPolicy(resources: route.resources, address: destination.ipAddress)
        let inquiry = try policy.beforeIntrospection(
            authorization: head.headers["authorization"], target: head.uri,
            caller: peer.map { HTTPPolicy.Caller(id: $0.id, thumbprint: $0.thumbprint) },
        )
        request.resource = inquiry.resource.resource.text
        let status = try await introspect(inquiry.token, as: route.workload)
        if case .active(let facts) = status { request.tokenID = facts.id }
        _ = try policy.afterIntrospection(status, of: inquiry, at: Date())
        return inquiry.resource
    }

    private func introspect(_ token: String, as server: SPIFFEID) async throws -> TokenStatus {
        let introspector = environment.dependencies.introspector
        return try await within(environment.limits.decision, "introspection") {
            try await introspector.introspect(token, as: server)
        }
    }
}
