import Glibc
import Logging
import NIOCore
import Synchronization

/// One network namespace as it is served: four listeners, or two without IPv6, until it is closed.
///
/// Each connection keeps the one it came in through: its upstream socket is made there.
final class BoundNetwork: Sendable {
    private struct State {
        /// Empty: closed.
        var listeners: [(direction: ConnectionReport.Direction, socket: ListeningSocket)]
        var acceptors: [Acceptor] = []
        var isCut = false
    }

    let network: any Network
    /// Valid until closed.
    let descriptors: LoopbackProxy.ListeningDescriptors
    private let state: Mutex<State>

    var cookie: UInt64 { network.cookie }

    /// Opens the listeners, which queue connections until ``accept(logger:deliver:)``.
    ///
    /// - Parameter outboundPort: 0 lets the kernel choose.
    init(_ network: any Network, outboundPort: UInt16) throws {
        self.network = network
        let (outbound4, outbound6, port) = try Self.outboundPair(outboundPort, in: network)
        let inbound4 = try ListeningSocket(on: SocketAddress(ipAddress: "127.0.0.1", port: 0), in: network)
        let inbound6 = try Self.ifIPv6 {
            try ListeningSocket(on: SocketAddress(ipAddress: "::1", port: 0), in: network)
        }
        var listeners: [(ConnectionReport.Direction, ListeningSocket)] = [(.outbound, outbound4), (.inbound, inbound4)]
        if let outbound6 { listeners.append((.outbound, outbound6)) }
        if let inbound6 { listeners.append((.inbound, inbound6)) }
        state = Mutex(State(listeners: listeners))
        descriptors = LoopbackProxy.ListeningDescriptors(
            outbound4: outbound4.descriptor, outbound6: outbound6?.descriptor, inbound4: inbound4.descriptor,
            inbound6: inbound6?.descriptor, outboundPort: port,
        )
    }

    /// Starts to take connections; nothing where it does already, or is closed.
    func accept(logger: Logger, deliver: @escaping @Sendable (ConnectionReport.Direction, CInt) -> Void) {
        state.withLock { state in
            guard state.acceptors.isEmpty else { return }
            state.acceptors = state.listeners.map { direction, socket in
                Acceptor(socket, logger: logger) { deliver(direction, $0) }
            }
        }
    }

    /// Leaves new connections in the listeners' queues.
    func pause() {
        state.withLock { state in
            state.acceptors.forEach { $0.stop() }
            state.acceptors = []
        }
    }

    /// Refuses new connections from here on, also those that wait in the queues.
    ///
    /// - Parameter cut: also what was accepted and is not yet among the live connections ends, see ``checkServed()``.
    func close(cut: Bool) {
        pause()
        let listeners = state.withLock { state in
            state.isCut = cut
            defer { state.listeners = [] }
            return state.listeners
        }
        listeners.forEach { $0.socket.shutDown() }
    }

    /// To be asked after a connection was counted in: who cuts the live ones may have looked before.
    func checkServed() throws(ProxyError) {
        if state.withLock({ $0.isCut }) { throw .networkUnbound(cookie: cookie) }
    }

    private static func outboundPair(
        _ wanted: UInt16, in network: any Network,
    ) throws -> (ListeningSocket, ListeningSocket?, UInt16) {
        var tries = 0
        while true {
            let outbound4 = try ListeningSocket(
                on: SocketAddress(ipAddress: "127.0.0.1", port: Int(wanted)), in: network,
            )
            let port = try ListeningSocket.port(of: outbound4.descriptor)
            do {
                let address = try SocketAddress(ipAddress: "::1", port: Int(port))
                return (outbound4, try ifIPv6 { try ListeningSocket(on: address, in: network) }, port)
            } catch ProxyError.socket(_, _, EADDRINUSE) where wanted == 0 && tries < 16 {
                tries += 1  // The port chosen for IPv4 is taken in IPv6; another will be free in both.
            }
        }
    }

    /// - Returns: nil in a network without IPv6.
    private static func ifIPv6(_ open: () throws -> ListeningSocket) throws -> ListeningSocket? {
        do {
            return try open()
        } catch ProxyError.socket(_, _, let code) where code == EAFNOSUPPORT || code == EADDRNOTAVAIL {
            return nil
        }
    }
}
