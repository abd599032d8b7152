import Gateway
import Glibc
import Limits
import NIOCore
import NIOHTTP1
import SPIFFE
import Workloads

/// One connection a local workload opened, from accept to close. Runs on the event loop of its channels.
actor OutboundConnection {
    /// A mutually authenticated connection to the other host.
    private struct Upstream {
        let channel: any Channel
        /// What it was opened with; tokens sent over it are bound to this one.
        let svid: X509SVID
        let peer: PeerIdentity
    }

    private let environment: ProxyEnvironment
    private let eventLoop: any EventLoop
    private let network: BoundNetwork
    private let flow: OutboundFlow
    private let lane: Carriage.Lane
    private let connection: CarriedConnection
    private var route: CurrentRoute<OutboundRoute>
    private var upstream: Upstream?

    nonisolated var unownedExecutor: UnownedSerialExecutor { eventLoop.executor.asUnownedSerialExecutor() }

    /// Serves an accepted socket until it is closed.
    static func serve(
        _ descriptor: CInt, of network: BoundNetwork, _ place: ConnectionSlots.Connection,
        _ environment: ProxyEnvironment, on eventLoop: any EventLoop,
    ) async {
        switch await environment.dependencies.flows.flow(ofAccepted: descriptor) {
        case .workload(let flow):
            guard
                Self.vouch(
                    place, .workload(flow.workload), madeOf: flow.template, flow.process, descriptor, environment)
            else { return }
            await serve(descriptor, flow, of: place.user, network, environment, eventLoop)
        case .plain(let process, let destination):
            guard
                Self.vouch(
                    place, .nobody(user: place.user), madeOf: nil, process, descriptor, environment)
            else { return }
            let permit = PlainConnection.Permit(process, to: destination, by: environment.dependencies.routes)
            await PlainConnection.serve(
                descriptor, by: permit, of: place.user, in: network, environment, on: eventLoop)
        case .refused(let process, let reason):
            close(descriptor)
            // Fail closed: there is no identity to lend.
            var entry = JournalEntry(
                kind: .connectionOutbound,
                .refused(process == nil ? .notRedirected : .notIdentified, because: reason))
            entry.process = process
            entry.user = place.user
            environment.dependencies.journal.record(entry)
        }
    }

    /// - Returns: false where its owner holds as many as it may; the socket is closed then.
    private static func vouch(
        _ place: ConnectionSlots.Connection, _ holder: ConnectionSlots.Holder, madeOf template: String?,
        _ process: ProcessKey,
        _ descriptor: CInt, _ environment: ProxyEnvironment,
    ) -> Bool {
        do throws(SlotRefusal) {
            try place.vouch(for: holder, madeOf: template)
            return true
        } catch {
            close(descriptor)
            var entry = JournalEntry(kind: .connectionOutbound, .refused(error))
            entry.process = process
            entry.user = place.user
            if case .workload(let workload) = holder { entry.workload = workload }
            environment.dependencies.journal.record(entry)
            return false
        }
    }

    /// Of a workload.
    private static func serve(
        _ descriptor: CInt, _ flow: OutboundFlow, of user: UInt32?, _ network: BoundNetwork,
        _ environment: ProxyEnvironment, _ eventLoop: any EventLoop,
    ) async {
        var inquiry = PlaceInquiry(flow: flow, network: network.cookie, routes: environment.dependencies.routes)
        let bytes = ByteTally()
        let carriage: Result<Carriage, ProxyError>
        do { carriage = .success(try await inquiry.carriage(of: descriptor)) } catch { carriage = .failure(error) }
        if case .success(.plainText(_, let reason)) = carriage {
            let permit = PlainConnection.Permit(flow, because: reason, asOf: inquiry.route.revision)
            return await PlainConnection.serve(
                descriptor, by: permit, of: user, in: network, environment, on: eventLoop)
        }
        guard let channel = try? await ProxyChannel.adopt(descriptor, counting: bytes, on: eventLoop) else { return }
        var facts = facts(of: flow, over: channel)
        facts.user = user
        switch carriage {
        case .success(.mutualTLS(let lane)) where channel.remoteAddress != nil:
            let connection = OutboundConnection(flow, lane, inquiry.route, channel, bytes, facts, network, environment)
            await connection.serve()
        case .success: await refuse(channel, facts, .clientGone, environment)
        case .failure(let error): await refuse(channel, facts, error, environment)
        }
    }

    private static func facts(of flow: OutboundFlow, over channel: any Channel) -> JournalEntry {
        var facts = JournalEntry(kind: .connectionOutbound, .pending)
        facts.workload = flow.workload
        facts.process = flow.process
        facts.dialled = channel.remoteAddress.flatMap { JournalEntry.name(client: $0, server: flow.destination) }
        return facts
    }

    private static func refuse(
        _ channel: any Channel, _ facts: JournalEntry, _ error: ProxyError, _ environment: ProxyEnvironment,
    ) async {
        environment.record(facts, .refused(error))
        channel.eventLoop.execute { channel.cut() }
        try? await channel.closeFuture.get()
    }

    private init(
        _ flow: OutboundFlow, _ lane: Carriage.Lane, _ route: CurrentRoute<OutboundRoute>, _ channel: any Channel,
        _ bytes: ByteTally, _ facts: JournalEntry, _ network: BoundNetwork, _ environment: ProxyEnvironment,
    ) {
        self.flow = flow
        self.lane = lane
        self.route = route
        self.network = network
        self.environment = environment
        eventLoop = channel.eventLoop
        let description = LiveConnections.Entry(
            direction: .outbound, network: network.cookie, source: channel.remoteAddress ?? flow.destination,
            destination: flow.destination, workload: flow.workload, opener: flow.opener, bytes: bytes, lane: lane,
            journal: facts)
        connection = CarriedConnection(channel, description, asOf: route.revision, in: network, environment)
    }

    private func serve() async { await connection.live { try await carry() } }

    private func carry() async throws {
        switch lane {
        case .http:
            // Dials at the first request, so that a refusal can be told in HTTP.
            try HTTPLane.serve(connection.downstream, limits: environment.limits) { await self.decide($0) }
        case .raw:
            let upstream = try await dial(with: currentSVID())
            try RawLane.join(connection.downstream, upstream.channel)
        }
    }

    private func currentRoute() -> OutboundRoute {
        let (workload, destination, network) = (flow.workload, flow.destination, self.network.cookie)
        return route.get(environment.dependencies.routes) {
            $0.outbound(workload: workload, destination: destination, network: network)
        }
    }

    private func rule() -> PeerRule { currentRoute().rule(for: flow.workload, to: flow.destination) }

    private func check(_ end: PeerRule.FarEnd) throws(ProxyError) {
        if let cause = rule().decision(on: end).refusal { throw .peerRefused(cause) }
    }

    private func currentSVID() async throws -> X509SVID {
        let (svids, flow) = (environment.dependencies.svids, flow)
        return try await within(environment.limits.svidWait, "the SVID of \(flow.workload)") {
            try await svids.svid(for: flow.workload, process: flow.process)
        }
    }

    // MARK: The other host

    private func dial(with svid: X509SVID) async throws -> Upstream {
        connection.note { facts in
            facts.svidSerial = svid.serialNumber
            facts.connection = nil
            facts.peer = nil
            facts.peerSVIDSerial = nil
        }
        let check = PeerCheck(
            bundles: environment.dependencies.svids.bundles(), verifications: environment.verifications, rule: rule())
        let revision = route.revision
        let tls = try environment.tls.pair(for: svid).client
        let descriptor = try await DialledSocket.connect(
            to: flow.destination, in: network.network, on: eventLoop, within: environment.limits.connect,
        )
        let channel = try await ProxyChannel.adopt(descriptor, tls: tls, check: check, on: eventLoop)
        channel.closeFuture.whenComplete { _ in check.abandon() }
        do {
            connection.note {
                $0.connection = JournalEntry.name(client: channel.localAddress, server: channel.remoteAddress)
            }
            let dialled = Upstream(channel: channel, svid: svid, peer: try await shakeHands(channel, check))
            connection.dialled(channel)
            upstream = dialled
            try connection.establish(dialled.peer, because: dialled.peer.because, asOf: revision)
            return dialled
        } catch {
            channel.cut()
            throw error
        }
    }

    private func shakeHands(_ channel: any Channel, _ check: PeerCheck) async throws -> PeerIdentity {
        var failure: (any Error)?
        do {
            guard let handshake = try channel.gate().handshake(within: environment.limits.handshake) else {
                throw ProxyError.clientGone
            }
            try await handshake.get()
        } catch {
            failure = error
        }
        return try check.result(failure)
    }

    // MARK: Requests

    private func decide(_ head: HTTPRequestHead) async -> HTTPVerdict {
        var request = connection.facts
        request.kind = .requestOutbound
        do {
            let verdict = try await forward(head, &request)
            environment.record(request, .allowed(because: "a token for this resource was added"))
            return verdict
        } catch {
            let refusal = Refusal.standing(for: error)
            environment.record(request, .refused(RefusalCause(of: error), because: refusal.reason))
            return .refuse(refusal)
        }
    }

    private func forward(_ head: HTTPRequestHead, _ request: inout JournalEntry) async throws -> HTTPVerdict {
        try check(.unproved)
        let resource = try HTTPPolicy(resources: currentRoute().resources, address: flow.destination.ipAddress)
            .outbound(
                target: head.uri)
        request.resource = resource.resource.text
        let (upstream, isNew) = try await currentUpstream()
        request.connection = connection.facts.connection
        request.peer = connection.facts.peer
        request.svidSerial = connection.facts.svidSerial
        request.peerSVIDSerial = connection.facts.peerSVIDSerial
        do {
            try check(upstream.peer.asFarEnd)
            let token = try await token(for: resource, bound: upstream.svid)
            request.tokenID = token.id
            return .forward(
                adding: [("Authorization", "Bearer \(token.value)")], over: isNew ? upstream.channel : nil,
            )
        } catch {
            if isNew { upstream.channel.cut() }
            throw error
        }
    }

    private func token(for resource: ProtectedResource, bound svid: X509SVID) async throws -> AccessToken {
        let tokens = environment.dependencies.tokens
        return try await within(environment.limits.decision, "the token for \(resource.resource)") {
            try await tokens.token(for: resource, svid: svid)
        }
    }

    /// The connection in use, or a new one where that was closed or opened with an SVID since renewed.
    private func currentUpstream() async throws -> (Upstream, isNew: Bool) {
        let svid = try await currentSVID()
        if let upstream, upstream.channel.isActive, upstream.svid.thumbprint == svid.thumbprint {
            return (upstream, false)
        }
        do {
            return (try await dial(with: svid), true)
        } catch {
            environment.record(connection.facts, .refused(error))
            throw error
        }
    }
}
