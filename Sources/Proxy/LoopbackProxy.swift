package import NIOPosix
import ServiceLifecycle
import Glibc
import NIOCore
import Synchronization

/// Carries the connections of this host's workloads: puts SVIDs on them, checks peers, and looks into HTTP where
/// protected resources are served.
///
/// ``bind(outboundPort:)`` once, show the descriptors to the kernel part, then ``run()``.
package final class LoopbackProxy: Service {
    /// For the kernel part's socket map. Owned by the proxy, open as long as it lives. nil without IPv6.
    package struct ListeningDescriptors: Sendable, Equatable {
        package let outbound4: CInt
        package let outbound6: CInt?
        package let inbound4: CInt
        package let inbound6: CInt?
        /// Where the kernel part sends connections to: as asked for, or the one chosen for 0.
        package let outboundPort: UInt16
    }

    private enum Direction: Sendable {
        case outbound, inbound
    }

    private struct Accepted: Sendable {
        let direction: Direction
        let descriptor: CInt
    }

    private let environment: ProxyEnvironment
    private let group: MultiThreadedEventLoopGroup
    private let listeners = Mutex<[(Direction, ListeningSocket)]>([])

    /// - Parameter group: one event loop a core by default.
    package convenience init(dependencies: ProxyDependencies, group: MultiThreadedEventLoopGroup = .singleton) {
        self.init(dependencies: dependencies, group: group) { $0 }
    }

    init(
        dependencies: ProxyDependencies, group: MultiThreadedEventLoopGroup,
        applicationAddress: @escaping @Sendable (SocketAddress) -> SocketAddress,
    ) {
        environment = ProxyEnvironment(dependencies: dependencies, applicationAddress: applicationAddress)
        self.group = group
    }

    /// Connections the proxy carries or is setting up now.
    package var connectionCount: Int { environment.live.count }

    /// Opens the listeners, which queue connections until ``run()``.
    ///
    /// - Parameter outboundPort: 0 lets the kernel choose.
    package func bind(outboundPort: UInt16) async throws -> ListeningDescriptors {
        let (outbound4, outbound6, port) = try Self.outboundPair(outboundPort)
        let inbound4 = try ListeningSocket(on: SocketAddress(ipAddress: "127.0.0.1", port: 0))
        let inbound6 = try Self.ifIPv6 { try ListeningSocket(on: SocketAddress(ipAddress: "::1", port: 0)) }
        listeners.withLock { listeners in
            listeners = [(.outbound, outbound4), (.inbound, inbound4)]
            if let outbound6 { listeners.append((.outbound, outbound6)) }
            if let inbound6 { listeners.append((.inbound, inbound6)) }
        }
        return ListeningDescriptors(
            outbound4: outbound4.descriptor, outbound6: outbound6?.descriptor, inbound4: inbound4.descriptor,
            inbound6: inbound6?.descriptor, outboundPort: port,
        )
    }

    /// Serves until cancelled or told to shut down; then every connection is cut.
    package func run() async throws {
        let listeners = self.listeners.withLock { $0 }
        guard !listeners.isEmpty else { throw ProxyError.notBound }
        let (accepted, arrivals) = AsyncStream.makeStream(of: Accepted.self)
        let acceptors = listeners.map { direction, socket in
            Acceptor(socket, logger: environment.dependencies.logger) { descriptor in
                self.admit(Accepted(direction: direction, descriptor: descriptor), arrivals)
            }
        }
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { connections in
                for await socket in accepted {
                    connections.addTask { await self.serve(socket) }
                }
                acceptors.forEach { $0.stop() }
                arrivals.finish()
                self.environment.live.all.forEach { $0.cut() }
            }
        }
    }

    /// Holds every live connection against the policy in force, and cuts what lost its right; each cut is journalled.
    ///
    /// - Returns: how many were cut.
    package func reevaluate() async -> Int {
        var cut = 0
        for entry in environment.live.all {
            guard let reason = entry.objection(environment.dependencies.routes) else { continue }
            var journal = entry.journal
            journal.kind = .connectionCut
            environment.record(journal, allowed: false, reason)
            entry.cut()
            cut += 1
        }
        return cut
    }

    private func admit(_ socket: Accepted, _ arrivals: AsyncStream<Accepted>.Continuation) {
        let maximum = environment.limits.maximumConnections
        guard environment.live.reserve(maximum: maximum) else {
            close(socket.descriptor)
            let kind: JournalEntry.Kind = socket.direction == .outbound ? .connectionOutbound : .connectionInbound
            let reason = "the proxy carries \(maximum) connections already; raise its limit, or close some"
            environment.dependencies.journal.record(JournalEntry(kind: kind, allowed: false, reason: reason))
            return
        }
        guard case .enqueued = arrivals.yield(socket) else {
            close(socket.descriptor)
            environment.live.release()
            return
        }
    }

    private func serve(_ socket: Accepted) async {
        defer { environment.live.release() }
        switch socket.direction {
        case .outbound: await OutboundConnection.serve(socket.descriptor, environment, on: group.next())
        case .inbound: await InboundConnection.serve(socket.descriptor, environment, on: group.next())
        }
    }

    private static func outboundPair(_ wanted: UInt16) throws -> (ListeningSocket, ListeningSocket?, UInt16) {
        var tries = 0
        while true {
            let outbound4 = try ListeningSocket(on: SocketAddress(ipAddress: "127.0.0.1", port: Int(wanted)))
            let port = try ListeningSocket.port(of: outbound4.descriptor)
            do {
                let address = try SocketAddress(ipAddress: "::1", port: Int(port))
                return (outbound4, try ifIPv6 { try ListeningSocket(on: address) }, port)
            } catch ProxyError.socket(_, _, EADDRINUSE) where wanted == 0 && tries < 16 {
                tries += 1  // The port chosen for IPv4 is taken in IPv6; another will be free in both.
            }
        }
    }

    /// - Returns: nil on a machine without IPv6.
    private static func ifIPv6(_ open: () throws -> ListeningSocket) throws -> ListeningSocket? {
        do {
            return try open()
        } catch ProxyError.socket(_, _, let code) where code == EAFNOSUPPORT || code == EADDRNOTAVAIL {
            return nil
        }
    }
}
