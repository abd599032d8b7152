import NIOCore
import Workloads

/// A connection the kernel redirected before it was known that its process has no identity: relayed byte by byte, to
/// where and from where the process itself would have reached it. Runs on the event loop of its channels.
actor PlainConnection {
    private let environment: ProxyEnvironment
    private let eventLoop: any EventLoop
    private let network: BoundNetwork
    private let destination: SocketAddress
    private let bytes = ByteTally()
    private var upstream: (any Channel)?
    private var facts: JournalEntry

    nonisolated var unownedExecutor: UnownedSerialExecutor { eventLoop.executor.asUnownedSerialExecutor() }

    init(
        _ process: ProcessKey, to destination: SocketAddress, _ network: BoundNetwork,
        _ environment: ProxyEnvironment, _ eventLoop: any EventLoop,
    ) {
        self.destination = destination
        self.network = network
        self.environment = environment
        self.eventLoop = eventLoop
        facts = JournalEntry(kind: .connectionOutbound, allowed: false, reason: "")
        facts.process = process
    }

    /// Serves an accepted socket until it is closed.
    func serve(_ descriptor: CInt) async {
        guard let downstream = try? await ProxyChannel.adopt(descriptor, counting: bytes, on: eventLoop) else { return }
        guard let source = downstream.remoteAddress else {
            environment.record(facts, allowed: false, "\(ProxyError.clientGone)")
            downstream.close(promise: nil)
            return
        }
        let entry = environment.live.insert(
            LiveConnections.Entry(
                direction: .outbound, network: network.cookie, source: source, destination: destination,
                workload: nil, bytes: bytes, isPlainText: true, looksInside: false, journal: facts,
                channels: [downstream],
            ))
        do {
            try network.checkServed()
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
        environment.record(facts, allowed: true, "no identity: relayed as it is")
        try RawLane.join(downstream, upstream)
    }
}
