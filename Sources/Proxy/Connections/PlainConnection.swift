import NIOCore
import SPIFFE
import Workloads

/// A connection that goes on as it is, byte by byte, to where and from where the process itself would have reached it:
/// the kernel part redirected it before it was known that its process has no identity, or that its egress lets it go there.
/// Runs on the event loop of its channels.
actor PlainConnection {
    /// Whose connection goes on as it is, to where, and why.
    struct Permit {
        let process: ProcessKey
        /// nil: of a process without an identity.
        let flow: OutboundFlow?
        let destination: SocketAddress
        let reason: String
        /// Of policy, by which that is so.
        let revision: UInt64
    }

    private let environment: ProxyEnvironment
    private let eventLoop: any EventLoop
    private let network: BoundNetwork
    private let permit: Permit
    private let connection: CarriedConnection

    nonisolated var unownedExecutor: UnownedSerialExecutor { eventLoop.executor.asUnownedSerialExecutor() }

    /// Serves an accepted socket until it is closed.
    static func serve(
        _ descriptor: CInt, by permit: Permit, of user: UInt32?, in network: BoundNetwork,
        _ environment: ProxyEnvironment,
        on eventLoop: any EventLoop,
    ) async {
        let bytes = ByteTally()
        guard let channel = try? await ProxyChannel.adopt(descriptor, counting: bytes, on: eventLoop) else { return }
        var facts = JournalEntry(kind: .connectionOutbound, .pending)
        facts.process = permit.process
        facts.user = user
        facts.workload = permit.flow?.workload
        guard let source = channel.remoteAddress else {
            environment.record(facts, .refused(ProxyError.clientGone))
            channel.close(promise: nil)
            return
        }
        facts.dialled = JournalEntry.name(client: source, server: permit.destination)
        let description = LiveConnections.Entry(
            direction: .outbound, network: network.cookie, source: source, destination: permit.destination,
            workload: permit.flow?.workload, opener: permit.flow?.opener, bytes: bytes, isPlainText: true, lane: .raw,
            journal: facts)
        await PlainConnection(channel, permit, description, network, environment).serve()
    }

    private init(
        _ channel: any Channel, _ permit: Permit, _ description: LiveConnections.Entry, _ network: BoundNetwork,
        _ environment: ProxyEnvironment,
    ) {
        self.permit = permit
        self.network = network
        self.environment = environment
        eventLoop = channel.eventLoop
        connection = CarriedConnection(channel, description, asOf: permit.revision, in: network, environment)
    }

    private func serve() async { await connection.live { try await carry() } }

    private func carry() async throws {
        let descriptor = try await DialledSocket.connect(
            to: permit.destination, in: network.network, on: eventLoop, within: environment.limits.connect,
        )
        let upstream = try await ProxyChannel.adopt(descriptor, on: eventLoop)
        connection.dialled(upstream)
        connection.note {
            $0.connection = JournalEntry.name(client: upstream.localAddress, server: upstream.remoteAddress)
        }
        try connection.establish(nil, because: permit.reason, asOf: permit.revision)
        try RawLane.join(connection.downstream, upstream)
    }
}

extension PlainConnection.Permit {
    /// Of a process without an identity.
    init(_ process: ProcessKey, to destination: SocketAddress, by routes: any RoutePolicy) {
        // Policy has nothing to say of it, whatever it is by now.
        self.init(
            process: process, flow: nil, destination: destination, reason: "no identity: relayed as it is",
            revision: routes.revision)
    }

    /// Of a workload whose egress lets it go there.
    init(_ flow: OutboundFlow, because reason: String, asOf revision: UInt64) {
        self.init(
            process: flow.process, flow: flow, destination: flow.destination, reason: reason, revision: revision)
    }
}
