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
    /// The address the client used: where the application listens.
    private let destination: SocketAddress
    private let client: SocketAddress
    private let workload: SPIFFEID
    private let connection: CarriedConnection
    private let bytes: ByteTally
    private var route: CurrentRoute<InboundRoute>
    private var peer: PeerIdentity?

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
        var facts = JournalEntry(kind: .connectionInbound, .pending)
        facts.connection = JournalEntry.name(client: client, server: destination)
        var route = CurrentRoute<InboundRoute>()
        do {
            let first = try route.get(environment.dependencies.routes, asking(destination, network))
            await InboundConnection(channel, first, route, place, destination, client, facts, network, environment)
                .serve()
        } catch {
            environment.record(facts, .refused(error))
            channel.eventLoop.execute { channel.cut() }
            try? await channel.closeFuture.get()
        }
    }

    private static func asking(
        _ destination: SocketAddress, _ network: BoundNetwork,
    ) -> (any RoutePolicy) throws(ProxyError) -> InboundRoute {
        { routes throws(ProxyError) in
            guard let route = routes.inbound(destination: destination, network: network.cookie) else {
                throw .nobodyListens(address: destination.text)
            }
            return route
        }
    }

    private init(
        _ downstream: any Channel, _ first: InboundRoute, _ route: CurrentRoute<InboundRoute>,
        _ place: ConnectionSlots.Connection, _ destination: SocketAddress, _ client: SocketAddress,
        _ facts: JournalEntry, _ network: BoundNetwork, _ environment: ProxyEnvironment,
    ) {
        self.place = place
        self.network = network
        self.destination = destination
        self.client = client
        self.environment = environment
        self.route = route
        workload = first.workload
        eventLoop = downstream.eventLoop
        bytes = ByteTally()
        var facts = facts
        facts.workload = first.workload
        let description = LiveConnections.Entry(
            direction: .inbound, network: network.cookie, source: client, destination: destination,
            workload: first.workload, bytes: bytes, lane: first.lane, journal: facts)
        connection = CarriedConnection(downstream, description, asOf: route.revision, in: network, environment)
    }

    private func serve() async { await connection.live { try await carry() } }

    private func carry() async throws {
        let route = try currentRoute()
        // Asked again when it is established, where policy has changed by then.
        let revision = self.route.revision
        let carriage = try await carriage(route)
        let lane: Carriage.Lane
        switch carriage {
        case .mutualTLS(let of):
            lane = of
            let peer = try await authenticate(route)
            try place.vouch(for: .peer(peer.id))
            try connection.establish(peer, because: peer.because, asOf: revision)
        case .plainText(let of, let reason):
            lane = of
            try place.vouch(for: .clients(from: place.source?.payer))
            try connection.establish(nil, because: reason, asOf: revision)
        }
        switch lane {
        case .raw: try RawLane.join(connection.downstream, try await dialApplication())
        case .http:
            try HTTPLane.serve(connection.downstream, limits: environment.limits, isPeers: true) {
                await self.decide($0)
            }
        }
    }

    private func currentRoute() throws(ProxyError) -> InboundRoute {
        try route.get(environment.dependencies.routes, Self.asking(destination, network))
    }

    // MARK: Who calls

    private func carriage(_ route: InboundRoute) async throws -> Carriage {
        guard let first = try connection.downstream.gate().firstByte(within: environment.limits.firstByte) else {
            throw ProxyError.clientGone
        }
        let beginsTLS = try await first.get() == Self.tlsHandshake
        place.heard()
        switch route.plan(beginsTLS: beginsTLS) {
        case .carry(let carriage): return carriage
        case .refused(let cause): throw ProxyError.peerRefused(cause)
        case .held(let reason): throw ProxyError.placeRefused(destination.text, reason)
        case .ownTLS: throw ProxyError.placeRefused(destination.text, "own TLS is for those who dial")
        }
    }

    private func authenticate(_ route: InboundRoute) async throws -> PeerIdentity {
        let svids = environment.dependencies.svids
        let svid = try await within(environment.limits.svidWait, "the SVID of \(route.workload)") {
            try await svids.svid(for: route.workload, process: nil)
        }
        connection.note { $0.svidSerial = svid.serialNumber }
        let peer = try await shakeHands(environment.tls.pair(for: svid).server, route)
        self.peer = peer
        connection.note { facts in
            facts.peer = peer.id
            facts.peerSVIDSerial = peer.serial
        }
        return peer
    }

    private func shakeHands(_ context: NIOSSLContext, _ route: InboundRoute) async throws -> PeerIdentity {
        let bundles = environment.dependencies.svids.bundles()
        let check = PeerCheck(bundles: bundles, verifications: environment.verifications, rule: route.rule)
        connection.downstream.closeFuture.whenComplete { _ in check.abandon() }
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
        let outer = try connection.downstream.gate()
        let inner = ChannelGate()
        let handler = NIOSSLServerHandler(context: context, customVerificationCallback: check.verify)
        try connection.downstream.pipeline.syncOperations.addHandlers([end, handler, inner])
        let handshake = inner.handshake(within: environment.limits.handshake)
        outer.open()
        return handshake
    }

    // MARK: The application

    private func dialApplication() async throws -> any Channel {
        let (flows, client, workload) = (environment.dependencies.flows, client, workload)
        let address = environment.applicationAddress(destination)
        let descriptor = try await DialledSocket.connect(
            to: address, in: network.network, on: eventLoop, within: environment.limits.connect,
        ) {
            try flows.prepareUpstream(descriptor: $0, client: client, for: workload)
        }
        let channel = try await ProxyChannel.adopt(descriptor, counting: bytes, on: eventLoop)
        connection.dialled(channel)
        return channel
    }

    // MARK: Requests

    private func decide(_ head: HTTPRequestHead) async -> HTTPVerdict {
        var request = connection.facts
        request.kind = .requestInbound
        do {
            let resource = try await authorize(head, &request)
            let isFresh = connection.upstream?.isActive != true
            let over = isFresh ? try await dialApplication() : nil
            environment.record(
                request, .allowed(because: "the token is for this resource and bound to the peer's SVID"))
            return .forward(adding: peerHeader, stripping: resource.stripHeaders, over: over)
        } catch {
            let refusal = Refusal.standing(for: error)
            environment.record(request, .refused(RefusalCause(of: error), because: refusal.reason))
            return .refuse(refusal)
        }
    }

    private var peerHeader: [HeaderHygiene.Header] {
        peer.map { [(HeaderHygiene.peerHeader, $0.id.description)] } ?? []
    }

    private func authorize(
        _ head: HTTPRequestHead, _ request: inout JournalEntry,
    ) async throws -> ProtectedResource {
        let route = try currentRoute()
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
        let bearer = TokenBearer(peer: peer?.id, address: place.source?.bytes ?? [])
        return try await within(environment.limits.decision, "introspection") {
            try await introspector.introspect(token, of: bearer, as: server)
        }
    }
}
