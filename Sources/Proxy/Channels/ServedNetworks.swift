import Glibc
import Logging
import Synchronization

/// Every network namespace the proxy serves, which come and go while it runs.
final class ServedNetworks: Sendable {
    struct Accepted: Sendable {
        let direction: ConnectionReport.Direction
        /// The receiver owns it.
        let descriptor: CInt
        let network: BoundNetwork
    }

    private struct State {
        var networks: [UInt64: BoundNetwork] = [:]
        /// Where accepted sockets go; nil while the proxy does not run.
        var deliver: (@Sendable (Accepted) -> Void)?
    }

    private let logger: Logger
    private let state = Mutex(State())

    init(logger: Logger) { self.logger = logger }

    var isEmpty: Bool { state.withLock { $0.networks.isEmpty } }

    /// Opens a network's listeners; its connections are taken at once, or as soon as ``serve(_:)`` is called.
    func bind(_ network: any Network, outboundPort: UInt16) throws -> BoundNetwork {
        try state.withLock { state in
            let cookie = network.cookie
            guard state.networks[cookie] == nil else { throw ProxyError.alreadyBound(cookie: cookie) }
            let bound = try BoundNetwork(network, outboundPort: outboundPort)
            state.networks[cookie] = bound
            if let deliver = state.deliver { accept(bound, deliver) }
            return bound
        }
    }

    /// - Returns: nil where none of that number is served.
    func remove(cookie: UInt64) -> BoundNetwork? {
        state.withLock { $0.networks.removeValue(forKey: cookie) }
    }

    func serve(_ deliver: @escaping @Sendable (Accepted) -> Void) {
        state.withLock { state in
            state.deliver = deliver
            state.networks.values.forEach { accept($0, deliver) }
        }
    }

    func pause() {
        state.withLock { state in
            state.deliver = nil
            state.networks.values.forEach { $0.pause() }
        }
    }

    private func accept(_ network: BoundNetwork, _ deliver: @escaping @Sendable (Accepted) -> Void) {
        network.accept(logger: logger) { [weak network] direction, descriptor in
            guard let network else {
                close(descriptor)
                return
            }
            deliver(Accepted(direction: direction, descriptor: descriptor, network: network))
        }
    }
}
