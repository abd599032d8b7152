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
    private let bytes = ByteTally()
    private var upstream: Upstream?
    /// As policy had it when it was asked last.
    private var known: (revision: UInt64, route: OutboundRoute)?
    private var entry: UInt64 = 0
    /// What later entries of this connection have in common.
    private var facts: JournalEntry

    nonisolated var unownedExecutor: UnownedSerialExecutor { eventLoop.executor.asUnownedSerialExecutor() }

    /// Serves an accepted socket until it is closed.
    static func serve(
        _ descriptor: CInt, of network: BoundNetwork, _ place: ConnectionSlots.Connection,
        _ environment: ProxyEnvironment, on eventLoop: any EventLoop,
    ) async {
        switch await environment.dependencies.flows.flow(ofAccepted: descriptor) {
        case .workload(let flow):
            guard Self.vouch(place, .workload(flow.workload), flow.process, descriptor, environment)
            else { return }
            let connection = OutboundConnection(flow, network, environment, eventLoop)
            if flow.placeIsKnown {
                await connection.serve(descriptor)
            } else {
                await connection.inquire(descriptor)
            }
        case .plain(let process, let destination):
            guard
                Self.vouch(
                    place, .nobody(network.cookie, user: place.user), process, descriptor, environment)
            else {
                return
            }
            await PlainConnection(process, to: destination, network, environment, eventLoop).serve(
                descriptor)
        case .refused(let process, let reason):
            close(descriptor)
            // Fail closed: there is no identity to lend.
            var entry = JournalEntry(kind: .connectionOutbound, allowed: false, reason: reason)
            entry.process = process
            environment.dependencies.journal.record(entry)
        }
    }

    /// - Returns: false where its owner holds as many as it may; the socket is closed then.
    private static func vouch(
        _ place: ConnectionSlots.Connection, _ holder: ConnectionSlots.Holder, _ process: ProcessKey,
        _ descriptor: CInt, _ environment: ProxyEnvironment,
    ) -> Bool {
        do throws(SlotRefusal) {
            try place.vouch(for: holder)
            return true
        } catch {
            close(descriptor)
            var entry = JournalEntry(kind: .connectionOutbound, allowed: false, reason: "\(error)")
            entry.process = process
            if case .workload(let workload) = holder { entry.workload = workload }
            environment.dependencies.journal.record(entry)
            return false
        }
    }

    private init(
        _ flow: OutboundFlow, _ network: BoundNetwork, _ environment: ProxyEnvironment, _ eventLoop: any EventLoop,
    ) {
        self.flow = flow
        self.network = network
        self.environment = environment
        self.eventLoop = eventLoop
        facts = JournalEntry(kind: .connectionOutbound, allowed: false, reason: "")
        facts.workload = flow.workload
        facts.process = flow.process
    }

    /// For a place where nobody was known to be managed when it was dialled.
    private func inquire(_ descriptor: CInt) async {
        let inquiry = PlaceInquiry(
            flow: flow, network: network.cookie, routes: environment.dependencies.routes)
        do {
            switch try await inquiry.way(of: descriptor) {
            case .mutual: await serve(descriptor)
            case .asItIs(let reason):
                await PlainConnection(
                    flow.process, of: flow, to: flow.destination, because: reason, network, environment,
                    eventLoop
                ).serve(descriptor)
            }
        } catch {
            let downstream = try? await ProxyChannel.adopt(descriptor, on: eventLoop)
            facts.dialled = downstream?.remoteAddress.flatMap {
                JournalEntry.name(client: $0, server: flow.destination)
            }
            environment.record(facts, allowed: false, "\(error)")
            downstream?.cut()
        }
    }

    private func serve(_ descriptor: CInt) async {
        guard let downstream = try? await ProxyChannel.adopt(descriptor, counting: bytes, on: eventLoop) else { return }
        guard let source = downstream.remoteAddress else {
            environment.record(facts, allowed: false, "\(ProxyError.clientGone)")
            downstream.close(promise: nil)
            return
        }
        facts.dialled = JournalEntry.name(client: source, server: flow.destination)
        let looksInside = !route().resources.isEmpty
        entry = environment.live.insert(
            LiveConnections.Entry(
                direction: .outbound, network: network.cookie, source: source, destination: flow.destination,
                workload: flow.workload, opener: flow.opener, bytes: bytes, looksInside: looksInside, journal: facts,
                channels: [downstream],
            ))
        do {
            try network.checkServed()
            try await environment.checkOpener(OpenedConnection(opener: flow.opener, workload: flow.workload))
            try await carry(downstream, looksInside: looksInside)
        } catch {
            environment.record(facts, allowed: false, "\(error)")
            downstream.cut()
            upstream?.channel.cut()
        }
        try? await downstream.closeFuture.get()
        try? await upstream?.channel.closeFuture.get()
        environment.live.remove(entry)
    }

    private func carry(_ downstream: any Channel, looksInside: Bool) async throws {
        if looksInside {
            // Dials at the first request, so that a refusal can be told in HTTP.
            try HTTPLane.serve(downstream, limits: environment.limits) { await self.decide($0) }
            return
        }
        try check(.unproved)
        let upstream = try await dial(with: currentSVID())
        try RawLane.join(downstream, upstream.channel)
    }

    private func route() -> OutboundRoute {
        let routes = environment.dependencies.routes
        // First: a change between the two is asked for again, never missed.
        let revision = routes.revision
        if let known, known.revision == revision { return known.route }
        let route = routes.outbound(
            workload: flow.workload, destination: flow.destination, network: network.cookie)
        known = (revision, route)
        return route
    }

    private func rule() -> PeerRule { route().rule(for: flow.workload, to: flow.destination) }

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
        facts.svidSerial = svid.serialNumber
        facts.connection = nil
        facts.peer = nil
        facts.peerSVIDSerial = nil
        let check = PeerCheck(
            bundles: environment.dependencies.svids.bundles(), verifications: environment.verifications, rule: rule())
        let tls = try environment.tls.pair(for: svid).client
        let descriptor = try await DialledSocket.connect(
            to: flow.destination, in: network.network, on: eventLoop, within: environment.limits.connect,
        )
        let channel = try await ProxyChannel.adopt(descriptor, tls: tls, check: check, on: eventLoop)
        do {
            facts.connection = JournalEntry.name(client: channel.localAddress, server: channel.remoteAddress)
            let dialled = Upstream(channel: channel, svid: svid, peer: try await shakeHands(channel, check))
            try establish(dialled)
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

    /// Counts the connection as established, then asks policy again: it may have changed since the handshake asked.
    private func establish(_ dialled: Upstream) throws(ProxyError) {
        facts.peer = dialled.peer.id
        facts.peerSVIDSerial = dialled.peer.serial
        upstream = dialled
        environment.live.update(entry) { entry in
            entry.peer = dialled.peer
            entry.journal = facts
            entry.channels = [entry.channels[0], dialled.channel]
        }
        try check(dialled.peer.asFarEnd)
        environment.record(facts, allowed: true, dialled.peer.because)
    }

    // MARK: Requests

    private func decide(_ head: HTTPRequestHead) async -> HTTPVerdict {
        var request = facts
        request.kind = .requestOutbound
        do {
            let verdict = try await forward(head, &request)
            environment.record(request, allowed: true, "a token for this resource was added")
            return verdict
        } catch {
            let refusal = Refusal.standing(for: error)
            environment.record(request, allowed: false, refusal.reason)
            return .refuse(refusal)
        }
    }

    private func forward(_ head: HTTPRequestHead, _ request: inout JournalEntry) async throws -> HTTPVerdict {
        try check(.unproved)
        let resource = try HTTPPolicy(resources: route().resources, address: flow.destination.ipAddress).outbound(
            target: head.uri)
        request.resource = resource.resource.text
        let (upstream, isNew) = try await currentUpstream()
        request.connection = facts.connection
        request.peer = facts.peer
        request.svidSerial = facts.svidSerial
        request.peerSVIDSerial = facts.peerSVIDSerial
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
            environment.record(facts, allowed: false, "\(error)")
            throw error
        }
    }
}
