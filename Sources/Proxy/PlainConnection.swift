import NIOCore
import SPIFFE
import Workloads

/// A connection that goes on as it is, byte by byte, to where and from where the process itself would have reached it:
/// the kernel part redirected it before it was known that its process has no identity, or that its egress lets it go there.
/// Runs on the event loop of its channels.
actor PlainConnection {
    private let environment: ProxyEnvironment
    private let eventLoop: any EventLoop
    private let network: BoundNetwork
    private let destination: SocketAddress
    private let opened: OpenedConnection?
    private let reason: String
    private let bytes = ByteTally()
    private var upstream: (any Channel)?
    private var facts: JournalEntry

    nonisolated var unownedExecutor: UnownedSerialExecutor { eventLoop.executor.asUnownedSerialExecutor() }

    init(
        _ process: ProcessKey, of flow: OutboundFlow? = nil, to destination: SocketAddress,
        because reason: String = "no identity: relayed as it is", _ network: BoundNetwork,
        _ environment: ProxyEnvironment, _ eventLoop: any EventLoop,
    ) {
        self.destination = destination
        opened = flow.map { OpenedConnection(opener: $0.opener, workload: $0.workload) }
        self.reason = reason
        self.network = network
        self.environment = environment
        self.eventLoop = eventLoop
        facts = JournalEntry(kind: .connectionOutbound, allowed: false, reason: "")
        facts.process = process
        facts.workload = opened?.workload
    }

    /// Serves an accepted socket until it is closed.
    func serve(_ descriptor: CInt) async {
        guard let downstream = try? await ProxyChannel.adopt(descriptor, counting: bytes, on: eventLoop) else { return }
        guard let source = downstream.remoteAddress else {
            environment.record(facts, allowed: false, "\(ProxyError.clientGone)")
            downstream.close(promise: nil)
            return
        }
        facts.dialled = JournalEntry.name(client: source, server: destination)
        let entry = environment.live.insert(
            LiveConnections.Entry(
                direction: .outbound, network: network.cookie, source: source, destination: destination,
                workload: opened?.workload, opener: opened?.opener, bytes: bytes, isPlainText: true, looksInside: false,
                journal: facts,
                channels: [downstream],
            ))
        do {
            try network.checkServed()
            if let opened { try await environment.checkOpener(opened) }
            try await carry(downstream, entry)
        } catch {
            environment.record(facts, allowed: false, "\(error)")
            downstream.cut()
            upstream?.cut()
        }
        try? await downstream.closeFuture.get()
        try? await upstream?.closeFuture.get()
        environment.live.remove(entry)
    }

    private func carry(_ downstream: any Channel, _ entry: UInt64) async throws {
        let descriptor = try await DialledSocket.connect(
            to: destination, in: network.network, on: eventLoop, within: environment.limits.connect,
        )
        let upstream = try await ProxyChannel.adopt(descriptor, on: eventLoop)
        self.upstream = upstream
        environment.live.update(entry) { $0.channels = [downstream, upstream] }
        facts.connection = JournalEntry.name(client: upstream.localAddress, server: upstream.remoteAddress)
        environment.record(facts, allowed: true, reason)
        try RawLane.join(downstream, upstream)
    }
}
