import Glibc
import Limits
import NIOCore
import SPIFFE
import Workloads

/// Finds out how a connection of a workload goes on: at once where the kernel part knew somebody managed to be at its place, else as
/// soon as it is known who is there, or how its identity may reach that place otherwise.
struct PlaceInquiry: Sendable {
    let flow: OutboundFlow
    let network: UInt64
    let routes: any RoutePolicy
    var patience = Limits.Egress.hold
    /// By which ``carriage(of:)`` answered.
    private(set) var route = CurrentRoute<OutboundRoute>()

    init(flow: OutboundFlow, network: UInt64, routes: any RoutePolicy) {
        self.flow = flow
        self.network = network
        self.routes = routes
    }

    /// Asks until it is known, and no longer than is bearable: an endpoint that is new takes a moment to be told of.
    ///
    /// - Parameter descriptor: accepted; nothing is taken from it.
    mutating func carriage(of descriptor: CInt) async throws(ProxyError) -> Carriage {
        let deadline = ContinuousClock.now + patience
        while true {
            let (workload, destination, network) = (flow.workload, flow.destination, self.network)
            let route = self.route.get(routes) {
                $0.outbound(workload: workload, destination: destination, network: network)
            }
            switch route.plan(for: flow) {
            case .carry(let carriage): return carriage
            case .refused(let cause): throw .peerRefused(cause)
            case .ownTLS(let entries): return .plainText(.raw, because: try await ownTLS(descriptor, entries))
            case .held(let reason):
                // Fail closed: what is not known is not spoken to in plain.
                guard ContinuousClock.now < deadline else { throw .placeRefused(flow.destination.text, reason) }
            }
            do { try await Task.sleep(for: Limits.Updates.ofHeldPlaces) } catch { throw .clientGone }
        }
    }

    private static let peek = CInt(MSG_PEEK) | CInt(MSG_DONTWAIT)

    /// - Returns: why its own TLS goes on as it is.
    private func ownTLS(_ descriptor: CInt, _ entries: [Egress]) async throws(ProxyError) -> String {
        let place = flow.destination.text
        guard case .complete(let name) = try await hello(on: descriptor) else {
            throw .placeRefused(place, "egress lists it as tls, and the program does not begin TLS")
        }
        guard entries.contains(where: { $0.admits(serverName: name) }) else {
            throw .placeRefused(place, "no tls entry of egress admits \(name ?? "a client that names no server")")
        }
        return "egress lists it as tls\(name.map { ", asked for as \($0)" } ?? "")"
    }

    /// What the program begins with; it stays in the socket.
    private func hello(on descriptor: CInt) async throws(ProxyError) -> ClientHello {
        let limit = Limits.Connection.handshake
        let deadline = ContinuousClock.now + limit
        var pause = Limits.Connection.firstLook
        var bytes = [UInt8](repeating: 0, count: Limits.Egress.clientHello)
        while ContinuousClock.now < deadline {
            let count = recv(descriptor, &bytes, bytes.count, Self.peek)
            if count == 0 { throw .clientGone }
            if count < 0, errno != EAGAIN, errno != EINTR { throw .clientGone }
            let hello: ClientHello = count > 0 ? ClientHello(reading: Array(bytes.prefix(count))) : .incomplete
            if hello != .incomplete || count == bytes.count { return hello }
            do { try await Task.sleep(for: pause) } catch { throw .clientGone }
            pause = min(pause * 2, Limits.Updates.ofClientHello)
        }
        throw .tooLate("the first message of the program's own TLS", limit: limit)
    }
}
