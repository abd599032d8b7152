package import NIOPosix
package import SPIFFE
import ServiceLifecycle
import Glibc
import NIOCore
package import SPIFFE
package import Workloads

/// Carries the connections of this host's workloads: puts SVIDs on them, checks peers, and looks into HTTP where
/// protected resources are served.
///
/// ``bind(outboundPort:in:)``, show the descriptors to the kernel part, then ``run()``. Further network namespaces are
/// bound and unbound while it runs.
package final class LoopbackProxy: Service {
    /// For the kernel part's socket map. Owned by the proxy, open until their network is unbound or the proxy is gone.
    /// nil without IPv6.
    package struct ListeningDescriptors: Sendable, Equatable {
        package let outbound4: CInt
        package let outbound6: CInt?
        package let inbound4: CInt
        package let inbound6: CInt?
        /// Where the kernel part sends connections to: as asked for, or the one chosen for 0.
        package let outboundPort: UInt16
    }

    private typealias Accepted = ServedNetworks.Accepted

    let environment: ProxyEnvironment
    private let group: MultiThreadedEventLoopGroup
    private let networks: ServedNetworks

    /// - Parameter group: one event loop a core by default.
    package convenience init(dependencies: ProxyDependencies, group: MultiThreadedEventLoopGroup = .singleton) {
        self.init(dependencies: dependencies, group: group) { $0 }
    }

    init(
        dependencies: ProxyDependencies, group: MultiThreadedEventLoopGroup,
        applicationAddress: @escaping @Sendable (SocketAddress) -> SocketAddress,
    ) {
        environment = ProxyEnvironment(dependencies: dependencies, applicationAddress: applicationAddress)
        networks = ServedNetworks(logger: dependencies.logger)
        self.group = group
    }

    /// Connections the proxy carries or is setting up now.
    package var connectionCount: Int { environment.slots.count }

    /// The same, of one network namespace, bound or not: at zero an unbound one is not needed any more.
    package func connectionCount(in cookie: UInt64) -> Int { environment.slots.count(in: cookie) }

    /// Every connection the proxy carries or is establishing, oldest first. A snapshot: bytes go on being counted.
    package func connections() -> [ConnectionReport] { environment.live.reports }

    /// By local workload; ended connections are counted too.
    package func traffic() -> [SPIFFEID: WorkloadTraffic] { environment.live.traffic }

    /// Opens listeners in one network namespace. They serve at once while ``run()`` is under way, and otherwise queue
    /// connections until then.
    ///
    /// - Parameters:
    ///   - outboundPort: 0 lets the kernel choose.
    ///   - network: makes every socket of theirs: listeners, and upstream ones of connections that came in through them.
    /// - Throws: ``ProxyError/alreadyBound(cookie:)``, ``ProxyError/socket(operation:address:errno:)``, and what the
    ///   network throws; nothing is left open then.
    package func bind(
        outboundPort: UInt16, in network: any Network = HostNetwork(),
    ) throws -> ListeningDescriptors {
        try networks.bind(network, outboundPort: outboundPort).descriptors
    }

    /// Closes the listeners of a network namespace, whose descriptors are void from here on; connections nobody has
    /// accepted yet are reset. Nothing where it is not bound.
    ///
    /// - Parameter cut: resets its connections under way, each journalled as ``JournalEntry/Kind/connectionCut``. Else
    ///   they end when their ends do.
    /// - Returns: how many were cut.
    @discardableResult
    package func unbind(network cookie: UInt64, cut: Bool = false) -> Int {
        networks.remove(cookie: cookie)?.close(cut: cut)
        guard cut else { return 0 }
        let doomed = environment.live.all.filter { $0.value.network == cookie }
        for (id, entry) in doomed { self.cut(id, entry, because: .networkUnbound(cookie: cookie)) }
        return doomed.count
    }

    /// Serves until cancelled or told to shut down; then every connection is cut.
    package func run() async throws {
        guard !networks.isEmpty else { throw ProxyError.notBound }
        let (accepted, arrivals) = AsyncStream.makeStream(of: Arrival.self)
        networks.serve { self.admit($0, arrivals) }
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { connections in
                for await socket in accepted {
                    connections.addTask { await self.serve(socket) }
                }
                self.networks.pause()
                arrivals.finish()
                for (id, entry) in self.environment.live.all {
                    self.environment.live.update(id) { $0.end = "the agent ended" }
                    entry.cut()
                }
            }
        }
    }

    /// Holds every live connection against the policy in force, and cuts what lost its right; each cut is journalled.
    ///
    /// - Returns: how many were cut.
    package func reevaluate() -> Int {
        var cut = 0
        for (id, entry) in environment.live.all {
            guard let reason = entry.objection(environment.dependencies.routes) else { continue }
            self.cut(id, entry, because: reason)
            cut += 1
        }
        return cut
    }

    /// Processes with live connections that they opened as workloads.
    package var openers: [ProcessKey] { environment.live.openers }

    /// By what a process ran when it opened those; empty where it has none.
    package func idsOfOpening(by process: ProcessKey) -> Set<ProcessIDs> {
        environment.live.idsOfOpening(by: process)
    }

    /// Cuts what a process opened and has no right to any more; each cut is journalled.
    ///
    /// - Parameter objection: why it has none; nil: it has.
    /// - Returns: how many were cut.
    @discardableResult
    package func cutOutbound(of process: ProcessKey, _ objection: (OpenedConnection) -> String?) -> Int {
        var cut = 0
        for (id, entry) in environment.live.opened(by: process) {
            guard let opened = entry.opened, let reason = objection(opened) else { continue }
            self.cut(id, entry, because: .openerChanged(reason))
            cut += 1
        }
        return cut
    }

    private func cut(_ id: UInt64, _ entry: LiveConnections.Entry, because reason: ProxyError) {
        var isFirst = false
        environment.live.update(id) { entry in
            isFirst = !entry.isCut
            entry.isCut = true
        }
        // It ended by itself meanwhile, or somebody else cut it.
        guard isFirst else { return }
        var journal = entry.journal
        journal.kind = .connectionCut
        journal.passed = entry.passed
        environment.record(journal, .refused(reason))
        entry.cut()
    }

    private func admit(_ socket: Accepted, _ arrivals: AsyncStream<Arrival>.Continuation) {
        do {
            let place = try place(for: socket)
            guard case .enqueued = arrivals.yield(Arrival(socket: socket, place: place)) else {
                close(socket.descriptor)
                return place.release()
            }
        } catch {
            var entry = JournalEntry(
                kind: socket.direction == .outbound ? .connectionOutbound : .connectionInbound, .refused(error))
            // Neither end of an outgoing one is of the connection between the hosts.
            if socket.direction == .inbound { entry.connection = JournalEntry.name(ofAccepted: socket.descriptor) }
            close(socket.descriptor)
            environment.dependencies.journal.record(entry)
        }
    }

    private func place(for socket: Accepted) throws -> ConnectionSlots.Connection {
        let (slots, cookie) = (environment.slots, socket.network.cookie)
        if socket.direction == .outbound {
            let user = environment.dependencies.flows.user(ofAccepted: socket.descriptor)
            return try slots.admitOutbound(in: cookie, of: user)
        }
        guard let source = ConnectionSlots.source(of: socket.descriptor, in: socket.network.network.origin) else {
            throw ProxyError.clientGone
        }
        return try slots.admit(strangerFrom: source, in: cookie)
    }

    private func serve(_ arrival: Arrival) async {
        let (socket, place) = (arrival.socket, arrival.place)
        defer { place.release() }
        let eventLoop = group.next()
        switch socket.direction {
        case .outbound:
            await OutboundConnection.serve(
                socket.descriptor, of: socket.network, place, environment, on: eventLoop)
        case .inbound:
            await InboundConnection.serve(
                socket.descriptor, of: socket.network, place, environment, on: eventLoop)
        }
    }

    private struct Arrival {
        let socket: Accepted
        let place: ConnectionSlots.Connection
    }
}
